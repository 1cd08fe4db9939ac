"""Store idempotency keys with the record that the first call answered with, so that a repeated call changes nothing.

No answer is stored: a repeated call reads the record again, as the caller may see it then.

The key commits together with the change, and expires after 24 hours.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, delete, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import Field, SQLModel, col

from convenor.domain_types.dates import now
from convenor.problems import IdempotencyKeyReused

LIFETIME = timedelta(hours=24)
PURGE_EACH_SECONDS = 600


class IdempotencyRecord(SQLModel, table=True):
    """One key of one client at one address, with the record of its answer."""

    __tablename__ = "idempotency_record"
    __table_args__ = (Index("idempotency_by_age", "created_at"),)
    client_id: str = Field(primary_key=True)
    method: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    status: int | None = None
    resource: str | None = None
    record_id: UUID | None = None
    location: str | None = None


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


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a key keeps of its first answer.

    Attributes:
        status: Of the answer.
        resource: The name of the resource that it showed a record of.
        record_id: The record's id.
        location: The record's address, where the answer gave it.
    """

    status: int
    resource: str
    record_id: UUID
    location: str | None


async def reserve_key(session: AsyncSession, reservation: KeyReservation) -> FirstAnswer | None:
    """Reserve a key in the transaction of its change, or return what its first answer was.

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
    return FirstAnswer(**stored.model_dump(include=set(FirstAnswer.__slots__)))


async def store_answer(session: AsyncSession, reservation: KeyReservation, answer: FirstAnswer) -> None:
    """Store what the answer showed with the key, in the same transaction."""
    record = await session.get_one(IdempotencyRecord, tuple(reservation.names().values()))
    record.sqlmodel_update(asdict(answer))


async def purge_expired(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Delete keys after 24 hours."""
    async with sessions.begin() as session:
        await session.execute(delete(IdempotencyRecord).where(col(IdempotencyRecord.created_at) < now() - LIFETIME))
