"""What comes in about SLAs."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, WrapValidator, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from convenor.domain_types.codes import Line
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, NotNullable, Patch, RecordId
from convenor.slas.models import Cadence, KpiFields, KpiUnit, SlaFields, SlaStatus, TermsFields, VolumeFields


def _in_this_century(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise PydanticCustomError("year_of_sla", "An SLA begins and ends between 2000 and 2099.")
    return day


def _kpis_once(value: Any, read: Callable[[Any], Sequence[Any]]) -> Sequence[Any]:
    """Names repeated KPIs beside whatever else is wrong with the list, so that no fault hides another."""
    found: list[InitErrorDetails] = []
    result: Sequence[Any] = []
    try:
        result = read(value)
    except ValidationError as error:
        found = [
            InitErrorDetails(
                type=PydanticCustomError(field_error["type"], field_error["msg"]), loc=field_error["loc"], input=None
            )
            for field_error in error.errors(include_url=False, include_input=False)
        ]
    sent = [item.get("kpi") if isinstance(item, dict) else None for item in value] if isinstance(value, list) else []
    repeated = PydanticCustomError("repeated_kpi", "This KPI stands here more than once.")
    seen: set[str] = set()
    for at, kpi in enumerate(sent):
        if isinstance(kpi, str):
            if kpi.strip() in seen:
                found.append(InitErrorDetails(type=repeated, loc=(at, "kpi"), input=None))
            seen.add(kpi.strip())
    if found:
        raise ValidationError.from_exception_data("kpis", found)
    return result


KpisOnce = WrapValidator(_kpis_once)
"""Marks a list of objects with `kpi`, each of which may stand in it once."""

TermDate = Annotated[FullDate, AfterValidator(_in_this_century)]


class TermsCreate(TermsFields, VolumeFields, InputModel):
    """Volumes and price, for a year of the term."""


class KpiCreate(KpiFields, InputModel):
    """One measure that the provider is to report."""

    @field_validator("target")
    @classmethod
    def _percent_has_a_limit(cls, target: float, info: ValidationInfo) -> float:
        if info.data.get("unit") is KpiUnit.PERCENT and target > 100:
            raise PydanticCustomError("percent", "A percentage is at most 100.")
        return target


Kpis = Annotated[list[KpiCreate], Field(min_length=1, max_length=50), KpisOnce]
Clusters = Annotated[list[Line], Field(min_length=1, max_length=100)]


class SlaCreate(SlaFields, InputModel):
    """A new SLA, as a draft."""

    starts_on: TermDate = Field(description="First day of the term.")
    ends_on: TermDate = Field(description="Last day of the term.")
    service_id: Line = Field(description="The id or code of the commissioned service.")
    provider_id: RecordId = Field(description="The id of the provider, who must be the service's.")
    clusters: Clusters = Field(description="The codes or ids of the clusters that it serves.")
    terms: TermsCreate = Field(description="What is agreed for a year.")
    kpis: Kpis = Field(description="The measures that the provider is to report.")

    @field_validator("ends_on")
    @classmethod
    def _ends_after_it_starts(cls, ends_on: date, info: ValidationInfo) -> date:
        if (starts_on := info.data.get("starts_on")) and ends_on < starts_on:
            raise PydanticCustomError("before_start", "The last day of the term lies before its first.")
        return ends_on


class SlaUpdate(Patch):
    """A change: of anything while the SLA is a draft; of `terms` and `kpis` from `valid_from` once it is agreed."""

    code: Annotated[Line | None, NotNullable] = Field(None, description="The SLA's code.", max_length=40)
    starts_on: Annotated[TermDate | None, NotNullable] = Field(None, description="First day of the term.")
    ends_on: Annotated[TermDate | None, NotNullable] = Field(None, description="Last day of the term.")
    cadence: Annotated[Cadence | None, NotNullable] = Field(None, description="How often the provider reports.")
    service_id: Annotated[Line | None, NotNullable] = Field(None, description="The service, by id or code.")
    provider_id: Annotated[RecordId | None, NotNullable] = Field(None, description="The provider of that service.")
    clusters: Annotated[Clusters | None, NotNullable] = Field(None, description="All the clusters that it serves.")
    terms: Annotated[TermsCreate | None, NotNullable] = Field(None, description="What is agreed for a year.")
    kpis: Annotated[Kpis | None, NotNullable] = Field(None, description="All the measures to report.")
    valid_from: Annotated[TermDate | None, NotNullable] = Field(
        None, description="Once agreed: the first day of the new version of terms and KPIs."
    )


class SlaTransitionCreate(InputModel):
    """One step in the life of an SLA."""

    to: SlaStatus = Field(description="The state to go to: one of the SLA's `next`.")
    reason: Line | None = Field(None, description="Why.")
