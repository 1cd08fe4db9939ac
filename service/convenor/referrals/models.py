"""Referrals of a pupil, a group or a school to a commissioned service along a pathway, and every step of them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Line, NeedType, Prose, StrictStrEnum
from convenor.domain_types.dates import FullDate
from convenor.pathways.models import ReferralState


class Priority(StrictStrEnum):
    """The urgency of a referral."""

    ROUTINE = "routine"
    SOON = "soon"
    URGENT = "urgent"


class SubjectKind(StrictStrEnum):
    """The kind of subject of a referral."""

    PUPIL = "pupil"
    GROUP = "group"
    SCHOOL = "school"


class ConsentBasis(StrictStrEnum):
    """The basis of a referral towards the family."""

    CONSENT = "consent"
    INFORMED = "informed"
    SAFEGUARDING = "safeguarding"


class ConsentGiver(StrictStrEnum):
    """The person who gave consent."""

    PARENT_OR_CARER = "parent_or_carer"
    YOUNG_PERSON = "young_person"


class ReasonCode(StrictStrEnum):
    """A reason of a step that is the same for everybody."""

    ALREADY_WITH_SERVICE = "already_with_service"


class YearGroup(StrictStrEnum):
    """National Curriculum year groups, with nursery and reception."""

    N = "N"
    R = "R"
    Y1 = "1"
    Y2 = "2"
    Y3 = "3"
    Y4 = "4"
    Y5 = "5"
    Y6 = "6"
    Y7 = "7"
    Y8 = "8"
    Y9 = "9"
    Y10 = "10"
    Y11 = "11"
    Y12 = "12"
    Y13 = "13"


HANDED_OVER = ReferralState.HANDED_OVER.value
"""The state of a referral that another school's continues. No pathway has it, and no step leads out of it."""


class ReferralFields(BaseModel):
    """The fields of a referral that its referrer states."""

    need: NeedType = Field(description="The need, as a type of special educational need.")
    priority: Priority = Field(Priority.ROUTINE, description="The urgency.")
    reason: Prose = Field(
        description="The reason, in the referrer's words. It may name a child: some roles do not see it."
    )


class GroupFields(BaseModel):
    """A group of pupils, none of them named."""

    size: int = Field(ge=2, le=500, description="The number of pupils.")
    year_groups: list[YearGroup] = Field(default_factory=list, max_length=15, description="Their year groups.")
    description: Prose | None = Field(
        None, description="What the pupils have in common. It may name a child: some roles do not see it."
    )


class ConsentFields(BaseModel):
    """The basis of a referral towards the family."""

    basis: ConsentBasis = Field(description="Consent, information given, or safeguarding.")
    given_by: ConsentGiver | None = Field(None, description="The person who gave consent.")
    on: FullDate = Field(description="The day on which consent was given or the family was informed.")


class TransitionFields(BaseModel):
    """The fields that are sent with a step."""

    reason: Line | None = Field(None, description="The reason. It may name a child: some roles do not see it.")
    reason_code: ReasonCode | None = Field(
        None,
        description="In place of `reason` where a service declines: `already_with_service`, because it has another"
        " open referral of this child. The referrer sees it.",
    )
    outcome: Line | None = Field(
        None, description="The result of the work, at discharge. It may name a child: some roles do not see it."
    )


class Referral(ReferralFields, AreaRow, table=True):
    """One referral. `school_id` and `provider_id` decide who has access; `cluster_id` was the school's cluster then."""

    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("school", "school_id"),
        tenant_foreign_key("cluster", "cluster_id"),
        tenant_foreign_key("pupil", "pupil_id"),
        tenant_foreign_key("referral", "continues_id"),
        # Deferred, because a statement names its referral too.
        ForeignKeyConstraint(
            ["area_id", "statement_id"],
            ["pupil_statement.area_id", "pupil_statement.id"],
            name="referral_statement",
            deferrable=True,
            initially="deferred",
            use_alter=True,
        ),
        tenant_foreign_key("commissioned_service", "service_id", "provider_id", onupdate="cascade"),
        ForeignKeyConstraint(["pathway", "pathway_version"], ["pathway.code", "pathway.version"]),
        UniqueConstraint("area_id", "code"),
        UniqueConstraint("area_id", "id", "school_id", "provider_id"),
        enum_check("need", NeedType),
        enum_check("priority", Priority),
        enum_check("subject_kind", SubjectKind),
        enum_check("consent_basis", ConsentBasis),
        enum_check("consent_given_by", ConsentGiver),
        CheckConstraint("(subject_kind = 'pupil') = (pupil_id is not null)", name="pupil_when_about_one"),
        CheckConstraint("(pupil_id is null) = (statement_id is null)", name="statement_of_pupil"),
        CheckConstraint("(subject_kind = 'group') = (group_size is not null)", name="group_when_about_one"),
        CheckConstraint("started_at is null or started_at >= submitted_at", name="started_after_submitted"),
        # A pupil has one open referral to a service, or several that a correction joined. Of several, the one with the
        # least code stays in the index, so that none can be submitted; only those in its `collides_with` are left out.
        Index(
            "one_open_referral",
            "area_id",
            "service_id",
            "pupil_id",
            unique=True,
            postgresql_where=text(
                "ended_at is null and pupil_id is not null and (collides_with is null or code < all (collides_with))"
            ),
        ),
        Index("referral_by_time", "area_id", "submitted_at", "id"),
        Index("referral_by_school", "area_id", "school_id", "submitted_at", "id"),
        Index("referral_by_provider", "area_id", "provider_id", "submitted_at", "id"),
        Index("referral_by_service", "area_id", "service_id", "submitted_at", "id"),
        Index("referral_by_cluster", "area_id", "cluster_id", "submitted_at", "id"),
        Index("referral_by_pupil", "area_id", "pupil_id"),
        Index(
            "referral_by_continued",
            "area_id",
            "continues_id",
            unique=True,
            postgresql_where=text("continues_id is not null"),
        ),
        Index("referral_open", "area_id", "service_id", postgresql_where=text("ended_at is null")),
    )
    need: str = ColumnField(sa_type=Text)
    priority: str = ColumnField(sa_type=Text)
    code: str
    pathway: str
    pathway_version: int
    service_id: UUID
    provider_id: UUID
    school_id: UUID
    cluster_id: UUID | None = None
    subject_kind: str = ColumnField(sa_type=Text)
    pupil_id: UUID | None = None
    statement_id: UUID | None = None
    """The statement in force about the pupil."""
    collides_with: list[str] | None = ColumnField(None, sa_type=ARRAY(Text))
    """The codes of the pupil's other open referrals to the service, where later statements joined two pupils."""
    group_size: int | None = None
    group_year_groups: list[str] | None = ColumnField(None, sa_type=ARRAY(Text))
    group_description: str | None = None
    consent_basis: str | None = ColumnField(None, sa_type=Text)
    consent_given_by: str | None = ColumnField(None, sa_type=Text)
    consent_on: date | None = None
    status: str
    submitted_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    started_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    ended_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    returned_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    returned_seconds: int = 0
    continues_id: UUID | None = None
    """The referral of the pupil's earlier school that this one continues, after a handover."""
    continued_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    """When it came to this school, if it continues another."""
    version: int = 1
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)


class ReferralTransition(TransitionFields, AreaRow, table=True):
    """One step of a referral: who, when, why."""

    __tablename__ = "referral_transition"
    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("reason_code", ReasonCode),
        Index("transition_by_referral", "area_id", "referral_id", "id"),
    )
    referral_id: UUID
    school_id: UUID
    provider_id: UUID
    reason_code: str | None = ColumnField(None, sa_type=Text)
    from_status: str | None = None
    to_status: str
    by: str
    client_id: str
    organisation: str
    at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
