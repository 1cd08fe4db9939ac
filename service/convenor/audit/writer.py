"""The writer of the audit: one event for each request, durable before its answer leaves.

Events of a change are rows of the change's own transaction (`add_event`). All others are flushed together with those of
concurrent requests (`AuditWriter`), and the answer waits for that flush.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any, Self
from uuid import UUID

import asyncpg

from convenor.audit.models import INSTALLATION
from convenor.audit.record import AuditRecord, AuditSource, EventRow, events_of
from convenor.database.background import repeat
from convenor.database.pools import DATABASE_ERRORS, Pool
from convenor.database.row_security import context_sql, import_context
from convenor.domain_types.dates import now
from convenor.log import log

FLUSH_SECONDS = 5
"""How long a flush may take. The network can lose a connection without a word, and all other events wait for one."""
SLOW_SECONDS = 2
"""How long a flush takes before the service is not ready."""
FAILED_SECONDS = 10
"""How long after a failed flush the service is not ready, unless another succeeds."""
SINGLY_EACH_SECOND = 5
"""Unauthenticated requests of one address that are written one by one in a second; the rest are counted."""
SPAN = timedelta(seconds=10)
MOST_TOGETHER = 200_000
"""Characters of ids, above which an event is written by itself: its neighbours do not wait for it."""
MOST_REMEMBERED = 50_000
"""How many lists of ids a worker remembers to have mentioned in the present span."""

Mention = tuple[UUID, str, datetime]
"""An area, ids with commas between, and the start of a span."""

_COLUMNS = [
    *("area_id", "id", "at", "action", "status", "problem", "client_id", "organisation", "role", "agreement"),
    *("purpose", "request_id", "address", "times", "records", "subjects", "changes"),
]
_TYPES = {"area_id": "uuid", "id": "uuid", "at": "timestamptz", "status": "int", "times": "int"} | {
    "changes": "jsonb",
}
_VALUES = ", ".join(
    f"string_to_array(${at}::text, ',')::uuid[]"
    if name in ("records", "subjects")
    else f"${at}::{_TYPES.get(name, 'text')}"
    for at, name in enumerate(_COLUMNS, 1)
)
_INSERT = (
    f"with ctx as materialized (select {context_sql(len(_COLUMNS) + 1)})"  # noqa: S608
    f" insert into audit_event ({', '.join(_COLUMNS)}) select {_VALUES} from ctx"
)
# In the order of the key, so that two that mention the same never wait for each other.
_MENTION = (
    f"with ctx as materialized (select {context_sql(5)})"  # noqa: S608
    " insert into audit_mention (area_id, about_id, since, before)"
    " select distinct m.area_id, about_id, m.since, m.before"
    " from ctx cross join unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[])"
    " as m(area_id, abouts, since, before) cross join unnest(string_to_array(m.abouts, ',')::uuid[]) as about_id"
    " order by 1, 2, 3 on conflict do nothing"
)
_AREA, _AT, _RECORDS, _SUBJECTS = (_COLUMNS.index(name) for name in ("area_id", "at", "records", "subjects"))


def _mentions(rows: Iterable[tuple[Any, ...]]) -> set[Mention]:
    """Return what events are about."""
    found = set()
    for row in rows:
        at: datetime = row[_AT]
        since = at - timedelta(seconds=at.second % SPAN.seconds, microseconds=at.microsecond)
        found |= {(row[_AREA], row[column], since) for column in (_RECORDS, _SUBJECTS) if row[column]}
    return found


async def _insert(connection: Any, rows: Sequence[tuple[Any, ...]], mentions: Iterable[Mention]) -> None:
    """Write events, and before them what they mention."""
    new = [(area, abouts, since, since + SPAN) for area, abouts, since in mentions]
    if new:
        columns = tuple(zip(*new, strict=True))
        await connection.execute(_MENTION, *columns, *import_context(*set(columns[0])))
    await connection.executemany(_INSERT, [(*row, *import_context(row[_AREA])) for row in rows])


async def add_event(connection: asyncpg.Connection, source: AuditSource, record: AuditRecord, status: int) -> None:
    """Write a request's event in the transaction of its change."""
    await add_events(connection, events_of(source, record, status))


async def add_events(connection: asyncpg.Connection, rows: Sequence[EventRow]) -> None:
    """Write events as the last statement of the transaction of their changes: others may wait for the mentions."""
    await _insert(connection, rows, _mentions(rows))


async def rehearse(connection: asyncpg.Connection) -> None:
    """Find out whether the event of a request could be written and made durable, and leave none.

    The event is undone. The transaction around it is committed, since only a commit waits for the disk, and for the
    standby where one must agree. What remains is a thousand bytes for PostgreSQL to clear away.

    Args:
        connection: One of the caller's own, to be closed where this fails: it may be left inside the transaction.

    Raises:
        asyncpg.PostgresError, OSError: It could not.
    """
    # As large as the event of a usual list, so that the rest of a page on a full disk is no room.
    rows = events_of(AuditSource("rehearsal"), AuditRecord(records=[INSTALLATION] * 50), 200)
    await connection.execute("begin; savepoint undone")
    await _insert(connection, rows, _mentions(rows))
    await connection.execute("rollback to savepoint undone; commit")


class AuditWriter:
    """Flushes the events of concurrent requests together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._began: list[float] = []
        """When each write that runs began, by the loop's clock."""
        self._failed_at = -inf
        self._waiting: list[tuple[list[tuple[Any, ...]], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._refused: Counter[str] = Counter()
        self._span = now()
        self._mentioned: set[int] = set()
        """By hash, what is durable of the present span: mentioned again, it costs nothing."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin flushing."""
        self._tasks = [
            asyncio.create_task(self._flush_for_ever()),
            asyncio.create_task(repeat("counting of refused requests", self._write_counted, 1)),
        ]
        return self

    async def __aexit__(self, *_raised: object) -> None:
        """End; whatever was to leave has been flushed by then."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        try:
            await self._write_counted()
        except (*DATABASE_ERRORS, OSError) as error:
            log.warning("refused requests of the last second are not in the audit: %s", type(error).__name__)

    @property
    def is_failing(self) -> bool:
        """Whether a flush has been running for too long, or the last one failed."""
        time = asyncio.get_running_loop().time()
        return time < self._failed_at + FAILED_SECONDS or any(time > began + SLOW_SECONDS for began in self._began)

    async def write(self, source: AuditSource, record: AuditRecord, status: int) -> None:
        """Return once the event of a request is durable, or is one of too many that are only counted.

        Raises:
            asyncpg.PostgresError, OSError: when it cannot be written; then the answer must not leave.
        """
        unknown = source.principal is None and record.client_id is None
        if unknown and source.address and status >= 400:
            self._refused[source.address] += 1
            if self._refused[source.address] > SINGLY_EACH_SECOND:
                return
        rows = events_of(source, record, status)
        if sum(len(row[_RECORDS]) + len(row[_SUBJECTS]) for row in rows) > MOST_TOGETHER:
            await self._write(rows)
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        self._wake.set()
        await done

    async def _flush_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                await self._flush(batch)

    async def _flush(self, batch: list[tuple[list[tuple[Any, ...]], asyncio.Future[None]]]) -> None:
        rows = [row for rows, _ in batch for row in rows]
        try:
            await self._write(rows)
        except Exception as error:  # whatever it is, each waiting answer must fail with it
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        mentions = {hash(mention): mention for mention in _mentions(rows)}
        new = mentions.keys() - self._mentioned
        began = asyncio.get_running_loop().time()
        self._began.append(began)
        try:
            # Cancelled inside, the pool cuts the connection.
            async with asyncio.timeout(FLUSH_SECONDS), self._pool.acquire() as connection:
                await _insert(connection, rows, [mentions[each] for each in new])
        except Exception:
            self._failed_at = asyncio.get_running_loop().time()
            raise
        finally:
            self._began.remove(began)
        self._failed_at = -inf
        latest = max((since for _, _, since in mentions.values()), default=self._span)
        if latest != self._span or len(self._mentioned) > MOST_REMEMBERED:
            self._span, self._mentioned = latest, set()
        self._mentioned |= new

    async def _write_counted(self) -> None:
        counted, self._refused = self._refused, Counter()
        rows = []
        for address, times in counted.items():
            if times > SINGLY_EACH_SECOND:
                row = list(events_of(AuditSource("counted", address), AuditRecord(), 401)[0])
                row[_COLUMNS.index("times")] = times - SINGLY_EACH_SECOND
                rows.append(tuple(row))
        if not rows:
            return
        try:
            await self._write(rows)
        except BaseException:  # a worker that ends in the middle of it writes them at its end
            self._refused.update(counted)
            raise
