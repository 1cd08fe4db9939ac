"""What comes in about impact returns."""

from datetime import date
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from convenor.domain_types.codes import Line, Prose
from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel, NotNullable, Patch
from convenor.impact_returns.models import MeasureFields, ReturnFields, ReturnStatus
from convenor.slas.models import Pence, VolumeFields
from convenor.slas.schemas import KpisOnce


class PeriodCreate(InputModel):
    """The days that a return reports on. None of them lies in the future."""

    first: PastDate = Field(alias="from", description="First day.")
    last: PastDate = Field(alias="to", description="Last day, included.")

    @field_validator("last")
    @classmethod
    def _ends_after_it_starts(cls, last: date, info: ValidationInfo) -> date:
        if (first := info.data.get("first")) and last < first:
            raise PydanticCustomError("before_start", "The last day of the period lies before its first.")
        return last


class VolumesCreate(VolumeFields, InputModel):
    """The work done in the period."""


class MeasureCreate(MeasureFields, InputModel):
    """One KPI of the SLA, as reported."""

    @field_validator("numerator")
    @classmethod
    def _part_of_the_whole(cls, numerator: int, info: ValidationInfo) -> int:
        denominator = info.data.get("denominator")
        if denominator is not None and numerator > denominator:
            raise PydanticCustomError("above_denominator", "The numerator is above the denominator.")
        return numerator


Measures = Annotated[list[MeasureCreate], Field(max_length=50), KpisOnce]


class ImpactReturnCreate(ReturnFields, InputModel):
    """A new return for a period of an SLA."""

    sla_id: Line = Field(description="The id or code of the SLA.")
    period: PeriodCreate = Field(description="The days that it reports on.")
    volumes: VolumesCreate = Field(description="The work done in the period.")
    measures: Measures = Field(description="Every KPI of the SLA, once.")


class ImpactReturnUpdate(Patch):
    """What a provider mends in a return that was sent back. Its SLA and period stay."""

    volumes: Annotated[VolumesCreate | None, NotNullable] = Field(None, description="The work done in the period.")
    cost_pence: Annotated[Pence | None, NotNullable] = Field(None, description="What the period cost, in pence.")
    measures: Annotated[Measures | None, NotNullable] = Field(None, description="Every KPI of the SLA, once.")
    narrative: Prose | None = Field(None, description="What happened, in the provider's words; null takes it out.")


class ReturnTransitionCreate(InputModel):
    """One step of a return."""

    to: ReturnStatus = Field(description="The state to go to: one of the return's `next`, if the step is yours.")
    reason: Prose | None = Field(None, description="Why; required when it is sent back. Walled like a name.")
