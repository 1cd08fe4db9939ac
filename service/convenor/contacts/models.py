"""Contacts: one therapy or support session each."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import DateTime, Index, LargeBinary, Text, text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Reference, StrictStrEnum
from convenor.domain_types.dates import FullDate


class ContactMode(StrictStrEnum):
    """How the session was held."""

    FACE_TO_FACE = "face_to_face"
    VIDEO = "video"
    TELEPHONE = "telephone"


class ContactSetting(StrictStrEnum):
    """Where the session was held."""

    SCHOOL = "school"
    CLINIC = "clinic"
    HOME = "home"
    COMMUNITY = "community"
    REMOTE = "remote"


class Attendance(StrictStrEnum):
    """Whether the session took place."""

    ATTENDED = "attended"
    DID_NOT_ATTEND = "did_not_attend"
    CANCELLED_BY_FAMILY = "cancelled_by_family"
    CANCELLED_BY_SCHOOL = "cancelled_by_school"
    CANCELLED_BY_SERVICE = "cancelled_by_service"


class StaffRole(StrictStrEnum):
    """The role of the person who held the session."""

    SPEECH_AND_LANGUAGE_THERAPIST = "speech_and_language_therapist"
    OCCUPATIONAL_THERAPIST = "occupational_therapist"
    EDUCATIONAL_PSYCHOLOGIST = "educational_psychologist"
    SPECIALIST_TEACHER = "specialist_teacher"
    MENTAL_HEALTH_PRACTITIONER = "mental_health_practitioner"
    YOUTH_WORKER = "youth_worker"
    FAMILY_SUPPORT_WORKER = "family_support_worker"
    TRAINER = "trainer"
    ASSISTANT = "assistant"


class ContactFields(BaseModel):
    """The fields of a session."""

    on: FullDate = Field(description="The day of the session.")
    mode: ContactMode = Field(description="How the session was held.")
    setting: ContactSetting = Field(description="Where the session was held.")
    reference: Reference | None = Field(
        None,
        description="The sender's own id of the session, unique within its organisation. It may name a child: some "
        "roles do not see it.",
    )
    duration_minutes: int = Field(ge=1, le=1440, description="The duration in minutes.")
    attendance: Attendance = Field(description="Whether the session took place, and if not, why.")
    staff_role: StaffRole = Field(description="The role of the person who held the session.")
    group_size: int = Field(1, ge=1, le=500, description="The number of pupils who took part.")


class Contact(ContactFields, AreaRow, table=True):
    """One session of one referral."""

    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("mode", ContactMode),
        enum_check("setting", ContactSetting),
        enum_check("attendance", Attendance),
        enum_check("staff_role", StaffRole),
        Index(
            "contact_reference",
            "area_id",
            "organisation_id",
            "reference_hash",
            unique=True,
            postgresql_where=text("reference_hash is not null"),
        ),
        Index(
            "contact_reference_not_sealed",
            "area_id",
            "organisation_id",
            "reference",
            unique=True,
            postgresql_where=text("reference is not null"),
        ),
        Index("contact_by_referral", "area_id", "referral_id", "on", "id"),
        Index("contact_by_school", "area_id", "school_id", "on", "id"),
        Index("contact_by_provider", "area_id", "provider_id", "on", "id"),
        Index("contact_by_time", "area_id", "on", "id"),
    )
    mode: str = ColumnField(sa_type=Text)
    setting: str = ColumnField(sa_type=Text)
    attendance: str = ColumnField(sa_type=Text)
    staff_role: str = ColumnField(sa_type=Text)
    referral_id: UUID
    school_id: UUID
    provider_id: UUID
    organisation_id: UUID
    recorded_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    version: int = 1
    reference_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
