"""The bodies that record outcomes."""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel, InputPart
from convenor.outcomes.models import DOMAINS, MeasureFields, Outcome, OutcomeFields


class MeasureCreate(MeasureFields, InputPart):
    """One value on one day."""

    on: PastDate = Field(description="The day of the measurement. A baseline may be older than the referral.")


class OutcomeCreate(OutcomeFields, InputModel, stored_as=Outcome):
    """A measured change."""

    baseline: MeasureCreate = Field(description="The value before the work.")
    later: MeasureCreate | None = Field(
        None, description="The value after the work, measured on the day of the baseline or later."
    )

    @field_validator("domain", mode="before")
    @classmethod
    def _of_its_instrument(cls, domain: Any, info: ValidationInfo) -> Any:
        instrument = info.data.get("instrument")
        if instrument and domain not in list(DOMAINS[instrument]):
            known = {"instrument": instrument, "known": ", ".join(DOMAINS[instrument])}
            raise PydanticCustomError("domain", "The domains of {instrument} are: {known}.", known)
        return domain
