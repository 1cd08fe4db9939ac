"""Declare outcomes."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from convenor.outcomes.models import Instrument, MeasureFields, OutcomeFields
from convenor.pupils.resource import STATEMENT_OF_REFERRAL
from convenor.read_model.resource import Filter, Resource, Several, Sort
from convenor.referrals import referral_links
from convenor.referrals.resource import CASE_ROW_ACCESS


class OutcomeRead(OutcomeFields):
    """One measured change."""

    id: UUID = Field(description="The outcome's id.")
    referral_id: UUID = Field(description="The outcome's referral.")
    referral_code: str = Field(description="The referral's code.")
    service_id: UUID = Field(description="The commissioned service that the pupil received.")
    baseline: MeasureFields = Field(description="The value before the work.")
    later: MeasureFields | None = Field(description="The later value, where measured.")
    organisation: str = Field(description="The organisation that recorded the outcome.")
    recorded_at: datetime = Field(description="When the outcome was recorded.")


OUTCOMES = Resource(
    name="outcomes",
    singular="outcome",
    table="outcome",
    read=OutcomeRead,
    row_access=CASE_ROW_ACCESS,
    etag="version",
    subject=STATEMENT_OF_REFERRAL,
    order="-recorded_at",
    sorts={"recorded_at": Sort("recorded_at", "timestamptz")},
    sql={
        **referral_links.SQL,
        "baseline.on": "{t}.baseline_on",
        "baseline.value": "{t}.baseline_value",
        "later": (
            "case when {t}.later_on is not null"
            " then json_build_object('on', {t}.later_on, 'value', {t}.later_value) end"
        ),
    },
    filters={
        **referral_links.FILTERS,
        "instrument": Filter(
            "{t}.instrument = any({v})", "text[]", Several[Instrument], "Outcomes measured with this instrument."
        ),
    },
    relations=referral_links.RELATIONS,
)
