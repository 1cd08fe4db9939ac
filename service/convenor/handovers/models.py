"""A handover: what a new school asks, what it states of the pupil, and the requests to schools that know the pupil.

They are three tables, because three see them. The asking school alone reads its `Handover`. A school whose pupil agrees
reads its own `HandoverRequest` and the `HandoverStatement`. Nothing that the asking school reads changes until one of
them completes the handover.
"""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, DateTime, Index, LargeBinary, Text, UniqueConstraint, Uuid, text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Prose, StrictStrEnum
from convenor.pupils.models import PupilFields


class HandoverStatus(StrictStrEnum):
    """The state of a handover, as the asking school sees it."""

    ASKED = "asked"
    """It matches nothing, or it is refused, or nobody has decided. All three look alike."""
    LAPSED = "lapsed"
    """The same, once its days are over. It is never stored."""
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class RequestStatus(StrictStrEnum):
    """The state of a request, as the school that it is put to sees it."""

    OPEN = "open"
    REFUSED = "refused"
    COMPLETED = "completed"
    LAPSED = "lapsed"
    """Nobody decided in time. It is never stored."""
    ENDED = "ended"
    """The pupil no longer agrees with the statement, another school completed it, or the asking school withdrew it."""


class HandoverDecision(StrictStrEnum):
    """A decision about a request."""

    COMPLETE = "complete"
    REFUSE = "refuse"


class HandoverFields(BaseModel):
    """The fields of a handover that the asking school states, beside the pupil."""

    reason: Prose | None = Field(
        None,
        description="The reason of the referrals that pass, in your own words. The earlier school's text does not pass."
        " It may name a child: some roles do not see it.",
    )


class DecisionFields(BaseModel):
    """The fields of a decision about a request that are read as they were sent."""

    reason: Prose | None = Field(
        None,
        description="The reason. The asking school does not see it. It may name a child: some roles do not see it.",
    )


class HandoverStatement(PupilFields, AreaRow, table=True):
    """What the asking school states of the pupil. It never changes.

    Once the handover is completed, it is the statement of the first referral that passed, by the same id.
    """

    __tablename__ = "handover_statement"
    __table_args__ = (tenant_foreign_key("school", "school_id"),)
    school_id: UUID
    temporary_upn: str | None = None
    """A UPN of temporary shape; `upn` holds a permanent one."""
    same_as_id: UUID | None = None
    not_the_same_as_ids: list[UUID] | None = ColumnField(None, sa_type=ARRAY(Uuid))
    sen_provision: str = ColumnField(sa_type=Text)
    upn_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    temporary_upn_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    nhs_number_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    date_of_birth_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_upn: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_nhs_number: bytes | None = ColumnField(None, sa_type=LargeBinary)


class Handover(HandoverFields, AreaRow, table=True):
    """What a school asks: that a pupil who came to it is handed over."""

    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("school", "school_id"),
        tenant_foreign_key("handover_statement", "statement_id"),
        UniqueConstraint("area_id", "code"),
        enum_check("status", [each for each in HandoverStatus if each is not HandoverStatus.LAPSED]),
        Index("handover_by_time", "area_id", "asked_at", "id"),
        Index("handover_by_school", "area_id", "school_id", "asked_at", "id"),
        Index("handover_asked", "area_id", "lapses_at", postgresql_where=text("status = 'asked'")),
    )
    code: str
    school_id: UUID
    statement_id: UUID
    status: str = ColumnField(sa_type=Text)
    client_id: str
    organisation: str
    """Who asked. The history of what passes begins with it."""
    asked_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    lapses_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    completed_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    referrals: list[str] = ColumnField(sa_type=ARRAY(Text))
    """The codes of the referrals that passed: those of the asking school, not those that they continue."""
    version: int = 1
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)


class HandoverRequest(DecisionFields, AreaRow, table=True):
    """A handover that is put to a school, because its pupil agrees with what is stated. The worker adds it."""

    __tablename__ = "handover_request"
    __table_args__ = (
        tenant_foreign_key("handover", "handover_id"),
        tenant_foreign_key("handover_statement", "statement_id"),
        tenant_foreign_key("school", "school_id"),
        tenant_foreign_key("pupil", "pupil_id"),
        UniqueConstraint("area_id", "handover_id", "pupil_id"),
        enum_check("status", [each for each in RequestStatus if each is not RequestStatus.LAPSED]),
        enum_check("decision", HandoverDecision),
        Index("request_by_time", "area_id", "asked_at", "id"),
        Index("request_by_school", "area_id", "school_id", "asked_at", "id"),
        Index("request_by_pupil", "area_id", "pupil_id"),
        Index("request_by_statement", "area_id", "statement_id", "school_id"),
    )
    handover_id: UUID
    handover_code: str
    statement_id: UUID
    asking_school_id: UUID
    school_id: UUID
    pupil_id: UUID
    status: str = ColumnField(sa_type=Text)
    asked_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    lapses_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    decision: str | None = ColumnField(None, sa_type=Text)
    organisation: str | None = None
    """Who decided."""
    decided_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    version: int = 1
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
