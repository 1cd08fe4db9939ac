"""The bodies that submit and change impact returns."""

from datetime import date
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from convenor.domain_types.codes import Line, Prose
from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel, InputPart, Patch, optional_field
from convenor.impact_returns.models import (
    ImpactReturn,
    ImpactReturnMeasure,
    ImpactReturnTransition,
    MeasureFields,
    ReturnFields,
    ReturnStatus,
)
from convenor.slas.models import Pence, VolumeFields
from convenor.slas.schemas import KpisOnce


class PeriodCreate(InputPart, columns={"first": "from", "last": "to"}):
    """The days that a return reports on. None of them lies in the future."""

    first: PastDate = Field(alias="from", description="First day.")
    last: PastDate = Field(alias="to", description="Last day, included.")

    @field_validator("last")
    @classmethod
    def _ends_after_it_starts(cls, last: date, info: ValidationInfo) -> date:
        if (first := info.data.get("first")) and last < first:
            raise PydanticCustomError("before_start", "The last day of the period lies before its first.")
        return last


class VolumesCreate(VolumeFields, InputPart):
    """The work done in the period."""


class MeasureCreate(MeasureFields, InputModel, stored_as=ImpactReturnMeasure):
    """One KPI of the SLA, as reported."""

    @field_validator("numerator")
    @classmethod
    def _part_of_the_whole(cls, numerator: int, info: ValidationInfo) -> int:
        denominator = info.data.get("denominator")
        if denominator is not None and numerator > denominator:
            raise PydanticCustomError("above_denominator", "The numerator is above the denominator.")
        return numerator


Measures = Annotated[list[MeasureCreate], Field(max_length=50), KpisOnce]


class ImpactReturnCreate(
    ReturnFields, InputModel, stored_as=ImpactReturn, columns={"volumes": ""}, resolved={"sla_id", "measures"}
):
    """A new return for a period of an SLA."""

    sla_id: Line = Field(description="The id or code of the SLA.")
    period: PeriodCreate = Field(description="The days that it reports on.")
    volumes: VolumesCreate = Field(description="The work done in the period.")
    measures: Measures = Field(description="Every KPI of the SLA, once.")


class ImpactReturnUpdate(Patch, stored_as=ImpactReturn, columns={"volumes": ""}, resolved={"measures"}):
    """A provider's corrections to a return that was sent back. Its SLA and period cannot change."""

    volumes: VolumesCreate | None = optional_field(ImpactReturnCreate, "volumes")
    cost_pence: Pence | None = optional_field(ReturnFields, "cost_pence")
    measures: Measures | None = optional_field(ImpactReturnCreate, "measures")
    narrative: Prose | None = optional_field(ReturnFields, "narrative")


class ReturnTransitionCreate(InputModel, stored_as=ImpactReturnTransition, resolved={"to"}):
    """One step of a return."""

    to: ReturnStatus = Field(description="The state to move to: one of the return's `next`, if you may make the step.")
    reason: Prose | None = Field(
        None,
        description="The reason; required when you send a return back. It may name a child: some roles do not see it.",
    )
