"""Who is one person among the pupils of an area, and what people decided of it (decision record 8, level two).

`PersonLink` and `PupilMatch` are derived from statements and decisions; a decision is kept as it was made. None of them
holds a number, a name or a date of birth.
"""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, DateTime, Index, LargeBinary, Text, Uuid
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Prose, StrictStrEnum


class MatchStatus(StrictStrEnum):
    """The state of a match."""

    OPEN = "open"
    """Its pupils share a number and differ, decisions leave a part of them undecided, or a link no longer holds."""
    LINKED = "linked"
    """All of its pupils are one person."""
    KEPT_APART = "kept_apart"
    """A person decided that some of its pupils are different children."""
    ENDED = "ended"
    """Nothing connects its pupils any more, after a correction or a withdrawn decision."""


class MatchDecision(StrictStrEnum):
    """A decision about pupils of a match."""

    LINK = "link"
    KEEP_APART = "keep_apart"
    UNLINK = "unlink"


class MatchedField(StrictStrEnum):
    """A field in which pupils agree or differ."""

    UPN = "upn"
    NHS_NUMBER = "nhs_number"
    DATE_OF_BIRTH = "date_of_birth"


class DecisionFields(BaseModel):
    """The fields of a decision."""

    decision: MatchDecision = Field(
        description="`link`: these pupils are one child. `keep_apart`: they are different children. `unlink`: withdraw"
        " for these pupils the earlier decisions about two or more of them, or about the only one. Each still holds"
        " for its other pupils."
    )
    reason: Prose = Field(description="The reason. It may name a child: some roles do not see it.")


class PupilMatch(AreaRow, table=True):
    """Pupils that a number, a referral or a decision connects."""

    __tablename__ = "pupil_match"
    __table_args__ = (
        area_foreign_key(),
        enum_check("status", MatchStatus),
        Index("match_by_time", "area_id", "found_at", "id"),
    )
    status: str = ColumnField(sa_type=Text)
    agree: list[str] = ColumnField(sa_type=ARRAY(Text))
    differ: list[str] = ColumnField(sa_type=ARRAY(Text))
    found_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    changed_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    version: int = 1


class PersonLink(SQLModel, table=True):
    """The place of one referral's pupil among the pupils of its match. `provider_id` decides which service reads it."""

    __tablename__ = "person_link"
    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        tenant_foreign_key("pupil", "pupil_id"),
        tenant_foreign_key("pupil_match", "match_id"),
        Index("link_by_match", "area_id", "match_id"),
        Index("link_by_pupil", "area_id", "pupil_id"),
    )
    area_id: UUID = ColumnField(primary_key=True)
    referral_id: UUID = ColumnField(primary_key=True)
    school_id: UUID
    provider_id: UUID
    pupil_id: UUID
    match_id: UUID
    group_id: UUID
    """The same for all pupils that are one person, or may be: the least id among them."""
    person_id: UUID
    """The same for all pupils that are one person: the least id among them."""
    apart_from: list[UUID] = ColumnField(sa_type=ARRAY(Uuid))
    """The pupils of the group that a person keeps apart from this one."""


class PupilDecision(DecisionFields, AreaRow, table=True):
    """What somebody decided. It holds until it is withdrawn."""

    __tablename__ = "pupil_decision"
    __table_args__ = (
        tenant_foreign_key("pupil_match", "match_id"),
        enum_check("decision", MatchDecision),
        Index("decision_by_match", "area_id", "match_id", "decided_at"),
    )
    decision: str = ColumnField(sa_type=Text)
    match_id: UUID
    client_id: str
    organisation: str
    decided_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    withdrawn_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)


class DecidedPupil(SQLModel, table=True):
    """A pupil that a decision is about, by the id that it had then."""

    __tablename__ = "decided_pupil"
    __table_args__ = (
        tenant_foreign_key("pupil_decision", "decision_id"),
        tenant_foreign_key("pupil", "pupil_id"),
        Index("decided_by_pupil", "area_id", "pupil_id"),
    )
    area_id: UUID = ColumnField(primary_key=True)
    decision_id: UUID = ColumnField(primary_key=True)
    pupil_id: UUID = ColumnField(primary_key=True)
    stated: list[bytes] = ColumnField(sa_type=ARRAY(LargeBinary))
    """The keyed hashes of what was stated of the pupil when it was linked. The link holds as long as all of it is."""
    withdrawn_at: datetime | None = ColumnField(default=None, sa_type=DateTime(timezone=True))
    """Since when the decision is withdrawn for this pupil."""
