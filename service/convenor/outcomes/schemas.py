"""What comes in about outcomes."""

from pydantic import Field

from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel
from convenor.outcomes.models import MeasureFields, OutcomeFields


class MeasureCreate(MeasureFields, InputModel):
    """One value on one day."""

    on: PastDate = Field(description="The day it was measured. A baseline may be older than the referral.")


class OutcomeCreate(OutcomeFields, InputModel):
    """A measured change."""

    baseline: MeasureCreate = Field(description="The value before the work.")
    later: MeasureCreate | None = Field(None, description="The value after it, on the baseline's day or later.")
