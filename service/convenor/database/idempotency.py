"""Store idempotency keys with the first answer, so that a repeated call gets that answer again.

The key commits together with the change, and expires after 24 hours.

Source: draft-ietf-httpapi-idempotency-key-header.
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

LIFETIME = timedelta(hours=24)
PURGE_EACH_SECONDS = 600


class IdempotencyRecord(SQLModel, table=True):
    """One key of one client at one address, with its answer."""

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
    """A key at an address.

    `path` is a digest, because a path can have any length. `key` and `digest` are keyed hashes, of the client's key and
    of the body with the sender's access rights.
    """

    client_id: str
    method: str
    path: str
    key: str
    digest: bytes

    def names(self) -> dict[str, Any]:
        """Return the columns of the primary key."""
        return {"client_id": self.client_id, "method": self.method, "path": self.path, "key": self.key}


@dataclass(frozen=True)
class StoredResponse:
    """The answer of a key, with the records and statements of one area that it shows."""

    status: int
    headers: dict[str, str]
    body: bytes
    area_id: UUID | None
    records: Sequence[UUID]
    subjects: Sequence[UUID]


async def reserve_key(session: AsyncSession, reservation: KeyReservation) -> StoredResponse | None:
    """Reserve a key in the transaction of its change, or return the stored answer.

    While another transaction holds the key, wait for up to the session's `lock_timeout`.

    Raises:
        IdempotencyKeyReused: the key was used with another body or other access rights.
        sqlalchemy.exc.DBAPIError: the lock is not available, because the first call is still running.
    """
    names = reservation.names()
    await session.execute(
        delete(IdempotencyRecord).where(
            *(col(getattr(IdempotencyRecord, name)) == value for name, value in names.items()),
            col(IdempotencyRecord.created_at) < now() - LIFETIME,
        )
    )
    inserted = await session.execute(
        text(
            "insert into idempotency_record (client_id, method, path, key, digest, created_at)"
            " values (:client_id, :method, :path, :key, :digest, now()) on conflict do nothing"
        ),
        {**names, "digest": reservation.digest},
    )
    if inserted.rowcount:  # type: ignore[attr-defined]
        return None
    stored = await session.get_one(IdempotencyRecord, tuple(names.values()))
    if stored.digest != reservation.digest:
        raise IdempotencyKeyReused
    assert stored.status is not None, "a key commits together with its answer"
    return StoredResponse(
        stored.status,
        stored.headers or {},
        stored.body or b"",
        stored.area_id,
        stored.records or (),
        stored.subjects or (),
    )


async def store_response(session: AsyncSession, reservation: KeyReservation, answer: StoredResponse) -> None:
    """Store the answer with the key, in the same transaction."""
    record = await session.get_one(IdempotencyRecord, tuple(reservation.names().values()))
    record.status, record.headers, record.body = answer.status, answer.headers, answer.body
    record.area_id, record.records, record.subjects = answer.area_id, list(answer.records), list(answer.subjects)


async def purge_expired(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Delete stored answers after 24 hours, because they hold personal data."""
    async with sessions.begin() as session:
        await session.execute(delete(IdempotencyRecord).where(col(IdempotencyRecord.created_at) < now() - LIFETIME))
