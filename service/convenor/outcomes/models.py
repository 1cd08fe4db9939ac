"""Outcomes: changes that were measured for a referral."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import CheckConstraint, DateTime, Index, Text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, enum_check, tenant_foreign_key
from convenor.domain_types.codes import StrictStrEnum
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


class OutcomeDomain(StrictStrEnum):
    """What an instrument measures. `DOMAINS` says which are whose."""

    IMPAIRMENT = "impairment"
    ACTIVITY = "activity"
    PARTICIPATION = "participation"
    WELLBEING = "wellbeing"
    DEVELOPMENTAL_STRANDS = "developmental_strands"
    ORGANISATION_OF_EXPERIENCE = "organisation_of_experience"
    INTERNALISATION_OF_CONTROLS = "internalisation_of_controls"
    DIAGNOSTIC_PROFILE = "diagnostic_profile"
    SELF_LIMITING_FEATURES = "self_limiting_features"
    UNDEVELOPED_BEHAVIOUR = "undeveloped_behaviour"
    UNSUPPORTED_DEVELOPMENT = "unsupported_development"
    COMMUNICATION_AND_LANGUAGE = "communication_and_language"
    READING = "reading"
    WRITING = "writing"
    MATHEMATICS = "mathematics"
    PERSONAL_SOCIAL_AND_EMOTIONAL = "personal_social_and_emotional"
    GOAL_1 = "goal_1"
    GOAL_2 = "goal_2"
    GOAL_3 = "goal_3"
    SESSIONS_ATTENDED_PERCENT = "sessions_attended_percent"
    SESSIONS_MISSED = "sessions_missed"
    TOTAL_DIFFICULTIES = "total_difficulties"
    EMOTIONAL_SYMPTOMS = "emotional_symptoms"
    CONDUCT_PROBLEMS = "conduct_problems"
    HYPERACTIVITY = "hyperactivity"
    PEER_PROBLEMS = "peer_problems"
    PROSOCIAL_BEHAVIOUR = "prosocial_behaviour"
    IMPACT = "impact"
    OTHER = "other"
    """Anything else. It has no text beside it, which could name a child."""


DOMAINS: Mapping[Instrument, tuple[OutcomeDomain, ...]] = {
    # Therapy Outcome Measures (Enderby and John).
    Instrument.TOMS: (
        OutcomeDomain.IMPAIRMENT,
        OutcomeDomain.ACTIVITY,
        OutcomeDomain.PARTICIPATION,
        OutcomeDomain.WELLBEING,
        OutcomeDomain.OTHER,
    ),
    # The two sections of the Boxall Profile and the groups of strands in each.
    Instrument.BOXALL: (
        OutcomeDomain.DEVELOPMENTAL_STRANDS,
        OutcomeDomain.ORGANISATION_OF_EXPERIENCE,
        OutcomeDomain.INTERNALISATION_OF_CONTROLS,
        OutcomeDomain.DIAGNOSTIC_PROFILE,
        OutcomeDomain.SELF_LIMITING_FEATURES,
        OutcomeDomain.UNDEVELOPED_BEHAVIOUR,
        OutcomeDomain.UNSUPPORTED_DEVELOPMENT,
        OutcomeDomain.OTHER,
    ),
    Instrument.PIVATS: (
        OutcomeDomain.COMMUNICATION_AND_LANGUAGE,
        OutcomeDomain.READING,
        OutcomeDomain.WRITING,
        OutcomeDomain.MATHEMATICS,
        OutcomeDomain.PERSONAL_SOCIAL_AND_EMOTIONAL,
        OutcomeDomain.OTHER,
    ),
    # Up to three goals, by number: what a goal says is the family's own text.
    Instrument.GOAL_BASED: (OutcomeDomain.GOAL_1, OutcomeDomain.GOAL_2, OutcomeDomain.GOAL_3, OutcomeDomain.OTHER),
    Instrument.ATTENDANCE: (
        OutcomeDomain.SESSIONS_ATTENDED_PERCENT,
        OutcomeDomain.SESSIONS_MISSED,
        OutcomeDomain.OTHER,
    ),
    # The scales of the Strengths and Difficulties Questionnaire (Goodman).
    Instrument.SDQ: (
        OutcomeDomain.TOTAL_DIFFICULTIES,
        OutcomeDomain.EMOTIONAL_SYMPTOMS,
        OutcomeDomain.CONDUCT_PROBLEMS,
        OutcomeDomain.HYPERACTIVITY,
        OutcomeDomain.PEER_PROBLEMS,
        OutcomeDomain.PROSOCIAL_BEHAVIOUR,
        OutcomeDomain.IMPACT,
        OutcomeDomain.OTHER,
    ),
    Instrument.OTHER: (OutcomeDomain.OTHER,),
}
"""The domains of each instrument: a closed list, because free text could name a child."""

_LISTED = "; ".join(f"{instrument}: {', '.join(domains)}" for instrument, domains in DOMAINS.items())


def _domain_check() -> CheckConstraint:
    """Build the CHECK that a domain is one of its instrument's."""
    known = [f"('{instrument}', '{domain}')" for instrument, domains in DOMAINS.items() for domain in domains]
    return CheckConstraint(f"(instrument, domain) in ({', '.join(known)})", name="domain_is_of_instrument")


class MeasureFields(BaseModel):
    """One value on one day."""

    on: FullDate = Field(description="The day of the measurement.")
    value: float = Field(ge=-1_000_000, le=1_000_000, description="The value, on the instrument's own scale.")


class OutcomeFields(BaseModel):
    """The fields of an outcome."""

    instrument: Instrument = Field(description="The instrument of the measurement.")
    domain: OutcomeDomain = Field(description=f"What was measured, by instrument. {_LISTED}.")
    n: int = Field(1, ge=1, le=10_000, description="The number of pupils who were measured.")


class Outcome(OutcomeFields, AreaRow, table=True):
    """One measured change of one referral."""

    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("instrument", Instrument),
        _domain_check(),
        CheckConstraint("later_on >= baseline_on", name="later_on_after_baseline"),
        CheckConstraint("(later_on is null) = (later_value is null)", name="later_is_whole"),
        Index("outcome_by_referral", "area_id", "referral_id", "recorded_at", "id"),
        Index("outcome_by_school", "area_id", "school_id", "recorded_at", "id"),
        Index("outcome_by_provider", "area_id", "provider_id", "recorded_at", "id"),
        Index("outcome_by_time", "area_id", "recorded_at", "id"),
    )
    instrument: str = ColumnField(sa_type=Text)
    domain: str = ColumnField(sa_type=Text)
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
