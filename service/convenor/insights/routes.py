"""Insights over REST."""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, TypeAdapter, WithJsonSchema
from starlette.responses import Response

from convenor.domain_types.codes import LaCode
from convenor.domain_types.dates import AcademicYear, today
from convenor.http.dependencies import ReadContext, reads
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.insights import rules
from convenor.insights.schemas import GroupBy, ReferralsPublished, WaitsPublished

router = ResourceRouter(
    Tag("insights", "Aggregates for planning and oversight, in which small numbers are suppressed.")
)


def _checked_year(text: str) -> str:
    return str(AcademicYear.parse(text))


# FastAPI accepts no class of ours as a parameter, so the text is checked and stays text.
AcademicYearText = Annotated[
    str, AfterValidator(_checked_year), WithJsonSchema(TypeAdapter(AcademicYear).json_schema())
]
AreaParameter = Annotated[
    LaCode | None, Query(description="LA code of the area; needed only by those who work in several.")
]


@router.get("/v1/insights/referrals", response_model=ReferralsPublished)
async def read_referral_figures(
    read: Annotated[ReadContext, reads("insights:read", "insights:referrals")],
    group_by: Annotated[GroupBy, Query(description="By month, by cluster, or by both.")] = GroupBy.MONTH_AND_CLUSTER,
    academic_year: Annotated[
        AcademicYearText | None, Query(description="The academic year, as in 2025/26; the present one where left out.")
    ] = None,
    area: AreaParameter = None,
) -> Response:
    """Count the referrals of an academic year by month and cluster. Small numbers are suppressed."""
    read.refuse_unknown()
    area_id = await rules.area_of(read.readers, read.principal, area)
    year = AcademicYear.parse(academic_year) if academic_year else AcademicYear.of(today())
    published = await rules.publish_referrals(read.readers, read.principal, area_id, year, group_by)
    chosen = {"data": {"__all__": {name for name in ("month", "cluster") if name not in group_by.split(",")}}}
    return Response(published.model_dump_json(exclude=chosen), media_type="application/json")


@router.get("/v1/insights/waits", response_model=WaitsPublished)
async def read_waits(
    read: Annotated[ReadContext, reads("insights:read", "insights:waits")], area: AreaParameter = None
) -> Response:
    """Show how many wait for each service and how long, by cluster. Small numbers are suppressed for others."""
    read.refuse_unknown()
    area_id = await rules.area_of(read.readers, read.principal, area)
    published = await rules.publish_waits(read.readers, read.principal, area_id)
    return Response(published.model_dump_json(), media_type="application/json")


FEATURE = Feature(router)
