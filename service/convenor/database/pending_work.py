"""Work that a change leaves to be done after its commit: a durable table, and the worker that every process runs.

The transaction of a change adds rows, which name the kind of work and its subject and hold no personal data. One
process at a time works on one kind in one area. Its transaction deletes what it has done. So the work of a process that
ends in the middle is there for the next one, and nothing is done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import DateTime, Index
from sqlmodel import Field

from convenor.database.constraints import AreaRow, area_foreign_key
from convenor.database.row_security import context_sql, worker_context
from convenor.log import log

Connection = Any
"""asyncpg's, in a transaction with the context of the work."""
Task = Callable[[Connection, UUID, Sequence[UUID]], Awaitable[None]]
"""What does the work of one kind for an area and some subjects."""

IDLE_SECONDS = 1.0
"""How long the worker waits when nothing is due."""
BATCH = 200
"""How many rows one transaction works on, so that no other one waits long for it."""
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 5, 3600
"""The delay after the first failure, which each further one doubles, and its limit."""
STUCK_ATTEMPTS, STUCK_AFTER = 5, timedelta(minutes=10)
"""From which failures, or which time after it was due, work counts as stuck."""

_CONTEXT = f"select {context_sql()}"
_TURN = "hashtextextended($1, 0)"
_DUE = """
    select kind, area_id from pending_work where kind = any($1) and due_at <= now()
    group by kind, area_id order by min(due_at)
"""
_TAKE = """
    select id, subject_id, attempts from pending_work
    where kind = $1 and area_id = $2 and due_at <= now()
    order by attempts, due_at limit $3 for update skip locked
"""
_POSTPONE = """
    update pending_work set attempts = attempts + 1, last_error = $3,
        due_at = now() + least($5, $4 * power(2, least(attempts, 20))) * interval '1 second'
    where area_id = $1 and id = any($2)
"""
_STUCK = """
    select kind, count(*), min(due_at), max(last_error) from pending_work
    where attempts >= $1 or due_at < now() - $2::interval group by kind order by kind
"""


class PendingWork(AreaRow, table=True):
    """One thing to be done, once it is due."""

    __tablename__ = "pending_work"
    __table_args__ = (area_foreign_key(), Index("work_by_kind", "kind", "area_id", "attempts", "due_at"))
    kind: str
    subject_id: UUID
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    attempts: int = 0
    last_error: str | None = None
    """The code of the last failure: an SQLSTATE, or the class of another error."""


@dataclass(frozen=True)
class StuckWork:
    """Work of one kind that is not done in time: how much, since when it is due, and the last error."""

    kind: str
    count: int
    due_at: datetime
    last_error: str | None


async def work(
    opens: Callable[[], Awaitable[Connection]], tasks: Mapping[str, Task], idle_seconds: float = IDLE_SECONDS
) -> None:
    """Do what is due, whenever it is due, while the connection lasts.

    Args:
        opens: opens a connection of the application's for this purpose only.
        tasks: what does each kind of work.
        idle_seconds: how long to wait when nothing is due.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the connection failed.
    """
    connection = await opens()
    try:
        while True:
            if not await do_due(connection, tasks):
                await asyncio.sleep(idle_seconds)
    finally:
        connection.terminate()


async def do_due(connection: Connection, tasks: Mapping[str, Task]) -> bool:
    """Do one batch of each kind in each area where some is due, and return whether anything was done."""
    async with connection.transaction():
        await _as_worker(connection)
        due = await connection.fetch(_DUE, list(tasks))
    done = [await _do_batch(connection, kind, area, tasks[kind]) for kind, area in due]
    return any(done)


async def wait_for_turn(connection: Connection, kind: str, area: UUID) -> None:
    """Keep the worker from one kind of work in an area until the transaction ends, and wait while it is at it."""
    await connection.execute(f"select pg_advisory_xact_lock({_TURN})", _turn(kind, area))


async def stuck(connection: Connection) -> list[StuckWork]:
    """Return what has waited too long or failed too often, by kind."""
    async with connection.transaction(readonly=True):
        await _as_worker(connection)
        return [StuckWork(*row) for row in await connection.fetch(_STUCK, STUCK_ATTEMPTS, STUCK_AFTER)]


async def _do_batch(connection: Connection, kind: str, area: UUID, task: Task) -> bool:
    taken: list[UUID] = []
    try:
        async with connection.transaction():
            await _as_worker(connection, area)
            if not await connection.fetchval(f"select pg_try_advisory_xact_lock({_TURN})", _turn(kind, area)):
                return False
            due = await connection.fetch(_TAKE, kind, area, BATCH)
            # What has failed before is done alone, so that it does not hold up the rest.
            batch = [row for row in due if not row["attempts"]] or due[:1]
            taken = [row["id"] for row in batch]
            if taken:
                await task(connection, area, list({row["subject_id"] for row in batch}))
                await connection.execute("delete from pending_work where area_id = $1 and id = any($2)", area, taken)
    except Exception as error:
        if not taken or connection.is_closed():
            raise
        code = (error.sqlstate if isinstance(error, asyncpg.PostgresError) else None) or type(error).__name__
        async with connection.transaction():
            await _as_worker(connection)
            await connection.execute(_POSTPONE, area, taken, code, FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS)
        log.warning("work of the kind %s failed for %d subjects: %s; tried again later", kind, len(taken), code)
    return bool(taken)


async def _as_worker(connection: Connection, *areas: UUID) -> None:
    await connection.execute(_CONTEXT, *worker_context(*areas))


def _turn(kind: str, area: UUID) -> str:
    return f"{kind} of {area}"
