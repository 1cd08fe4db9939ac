"""The tables of the audit trail. The application's role can insert and select events, no more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from convenor.database.ids import uuid7

INSTALLATION = UUID(int=0)
"""The area of events that are of no area."""


class AuditEvent(SQLModel, table=True):
    """Who did what to which records, under which agreement and purpose, with what outcome."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("event_by_time", "area_id", "at", "id"),
        Index("event_by_client", "area_id", "client_id", "at", "id"),
    )
    area_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    action: str
    status: int
    problem: str | None = None
    client_id: str | None = None
    organisation: str | None = None
    role: str | None = None
    agreement: str | None = None
    purpose: str | None = None
    request_id: str
    address: str | None = None
    times: int = 1
    records: list[UUID] = Field(sa_type=ARRAY(Uuid))
    subjects: list[UUID] = Field(sa_type=ARRAY(Uuid))
    changes: dict[str, str] | None = Field(None, sa_type=JSONB)


class AuditMention(SQLModel, table=True):
    """That events of a short span of time are about a record or a statement: how events are found by either.

    A table, since under row-level security no index over an array can serve: `@>` is not leakproof, `=` and `<` are.
    A span, so that a record that is read again and again is mentioned once in it; within one, the events are few.
    A mention is there before its event is: one without an event finds nothing, and does no harm.
    """

    __tablename__ = "audit_mention"
    area_id: UUID = Field(primary_key=True)
    about_id: UUID = Field(primary_key=True)
    since: datetime = Field(primary_key=True, sa_type=DateTime(timezone=True))
    before: datetime = Field(sa_type=DateTime(timezone=True))
