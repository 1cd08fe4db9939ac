"""Outcomes: changes that were measured for a referral."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import CheckConstraint, DateTime, Index, Text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Line, StrictStrEnum
from convenor.domain_types.dates import FullDate


class Instrument(StrictStrEnum):
    """The instrument of a measurement."""

    TOMS = "TOMs"
    BOXALL = "Boxall"
    PIVATS = "PIVATS"
    GOAL_BASED = "goal_based"
    ATTENDANCE = "attendance"
    SDQ = "SDQ"
    OTHER = "other"


class MeasureFields(BaseModel):
    """One value on one day."""

    on: FullDate = Field(description="The day of the measurement.")
    value: float = Field(ge=-1_000_000, le=1_000_000, description="The value, on the instrument's own scale.")


class OutcomeFields(BaseModel):
    """The fields of an outcome."""

    instrument: Instrument = Field(description="The instrument of the measurement.")
    domain: Line = Field(description="The instrument's domain, for example `activity` of TOMs.", max_length=60)
    n: int = Field(1, ge=1, le=10_000, description="The number of pupils who were measured.")


class Outcome(OutcomeFields, AreaRow, table=True):
    """One measured change of one referral."""

    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("instrument", Instrument),
        CheckConstraint("later_on >= baseline_on", name="later_on_after_baseline"),
        CheckConstraint("(later_on is null) = (later_value is null)", name="later_is_whole"),
        Index("outcome_by_referral", "area_id", "referral_id", "recorded_at", "id"),
        Index("outcome_by_school", "area_id", "school_id", "recorded_at", "id"),
        Index("outcome_by_provider", "area_id", "provider_id", "recorded_at", "id"),
        Index("outcome_by_time", "area_id", "recorded_at", "id"),
    )
    instrument: str = ColumnField(sa_type=Text)
    referral_id: UUID
    school_id: UUID
    provider_id: UUID
    organisation_id: UUID
    baseline_on: date
    baseline_value: float
    later_on: date | None = None
    later_value: float | None = None
    recorded_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    version: int = 1
