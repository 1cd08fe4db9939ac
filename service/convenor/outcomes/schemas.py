"""What comes in about outcomes."""

from pydantic import Field

from convenor.kit.calendar import PastDate
from convenor.kit.wire import Incoming
from convenor.outcomes.models import MeasureFields, OutcomeFields


class MeasureCreate(MeasureFields, Incoming):
    """One value on one day."""

    on: PastDate = Field(description="The day it was measured. A baseline may be older than the referral.")


class OutcomeCreate(OutcomeFields, Incoming):
    """A measured change."""

    baseline: MeasureCreate = Field(description="The value before the work.")
    later: MeasureCreate | None = Field(None, description="The value after it, on the baseline's day or later.")
