"""The bodies that record outcomes."""

from pydantic import Field

from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel, InputPart
from convenor.outcomes.models import MeasureFields, Outcome, OutcomeFields


class MeasureCreate(MeasureFields, InputPart):
    """One value on one day."""

    on: PastDate = Field(description="The day of the measurement. A baseline may be older than the referral.")


class OutcomeCreate(OutcomeFields, InputModel, stored_as=Outcome):
    """A measured change."""

    baseline: MeasureCreate = Field(description="The value before the work.")
    later: MeasureCreate | None = Field(
        None, description="The value after the work, measured on the day of the baseline or later."
    )
