"""Idempotency keys: a repeated call gets the first one's answer, because the key commits with the change.

A record holds the answer as it left, for 24 hours. Source: draft-ietf-httpapi-idempotency-key-header.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Index, LargeBinary, Uuid, delete, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import Field, SQLModel, col

from convenor.domain_types.dates import now
from convenor.problems import IdempotencyKeyReused

KEPT_FOR = timedelta(hours=24)
PURGE_EACH_SECONDS = 600


class IdempotencyRecord(SQLModel, table=True):
    """One key of one client at one address, with the answer it got."""

    __tablename__ = "idempotency_record"
    __table_args__ = (Index("idempotency_by_age", "created_at"),)
    client_id: str = Field(primary_key=True)
    method: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    status: int | None = None
    headers: dict[str, str] | None = Field(None, sa_type=JSONB)
    body: bytes | None = Field(None, sa_type=LargeBinary)
    area_id: UUID | None = None
    records: list[UUID] | None = Field(None, sa_type=ARRAY(Uuid))
    subjects: list[UUID] | None = Field(None, sa_type=ARRAY(Uuid))


@dataclass(frozen=True)
class KeyReservation:
    """A key at an address (a digest of the path, which may be of any length).

    Its own digest is of the body and of what the sender may see.
    """

    client_id: str
    method: str
    path: str
    key: str
    digest: bytes

    def names(self) -> dict[str, Any]:
        """The columns of its primary key."""
        return {"client_id": self.client_id, "method": self.method, "path": self.path, "key": self.key}


@dataclass(frozen=True)
class StoredResponse:
    """The answer that a key got, and the records and pupils of one area that it shows."""

    status: int
    headers: dict[str, str]
    body: bytes
    area_id: UUID | None
    records: Sequence[UUID]
    subjects: Sequence[UUID]


async def reserve_key(session: AsyncSession, claimed: KeyReservation) -> StoredResponse | None:
    """Takes a key within the transaction of its change, or gives the answer that it already got.

    While another transaction holds the key this waits for it, as long as the session's `lock_timeout`.

    Raises:
        IdempotencyKeyReused: when the key came with another body.
        sqlalchemy.exc.DBAPIError: lock not available, when the other is still running.
    """
    names = claimed.names()
    await session.execute(
        delete(IdempotencyRecord).where(
            *(col(getattr(IdempotencyRecord, name)) == value for name, value in names.items()),
            col(IdempotencyRecord.created_at) < now() - KEPT_FOR,
        )
    )
    taken = await session.execute(
        text(
            "insert into idempotency_record (client_id, method, path, key, digest, created_at)"
            " values (:client_id, :method, :path, :key, :digest, now()) on conflict do nothing"
        ),
        {**names, "digest": claimed.digest},
    )
    if taken.rowcount:  # type: ignore[attr-defined]
        return None
    kept = await session.get_one(IdempotencyRecord, tuple(names.values()))
    if kept.digest != claimed.digest:
        raise IdempotencyKeyReused
    assert kept.status is not None, "a key commits together with its answer"
    return StoredResponse(
        kept.status, kept.headers or {}, kept.body or b"", kept.area_id, kept.records or (), kept.subjects or ()
    )


async def store_response(session: AsyncSession, claimed: KeyReservation, answer: StoredResponse) -> None:
    """Stores the answer beside the key, in the same transaction."""
    record = await session.get_one(IdempotencyRecord, tuple(claimed.names().values()))
    record.status, record.headers, record.body = answer.status, answer.headers, answer.body
    record.area_id, record.records, record.subjects = answer.area_id, list(answer.records), list(answer.subjects)


async def purge_expired(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Drops the answers that are past their 24 hours: they show what the change showed."""
    async with sessions.begin() as session:
        await session.execute(delete(IdempotencyRecord).where(col(IdempotencyRecord.created_at) < now() - KEPT_FOR))
