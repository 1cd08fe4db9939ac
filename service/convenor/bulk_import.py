"""Import the lines of one request batch by batch, with a result for each, whatever the transport and the resource.

A resource adds its `BulkImport`: the model of a line, its natural key, and how a batch of lines becomes rows in a
constant number of statements. Turns, transactions, repeated keys, dry runs and the audit are here.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from convenor.audit.record import AuditRecord, AuditSource, EventRow, events_of
from convenor.audit.writer import add_events
from convenor.database.pools import driver_connection
from convenor.database.row_security import set_context_of
from convenor.problems import FieldError, Invalid, Problem, Unavailable
from convenor.read_model.resource import Resource
from convenor.security.principal import Principal

BATCH = 1_000
"""Lines that are stored together."""

Data = TypeVar("Data", bound=BaseModel)
LineResult = Literal["created", "updated", "unchanged", "invalid"]


class OnError(StrEnum):
    """What happens to the other lines when one is invalid."""

    ABORT = "abort"
    """Nothing is stored."""
    SKIP = "skip"
    """The others are stored."""


class NotStored(Problem):
    """This line is valid. It was not stored because other lines in the load are invalid."""

    status, code, title = 422, "not_stored", "Line not stored"
    cause = "With `on_error=abort`, which is the default, a load is stored as a whole or not at all."
    remedy = "Correct the lines whose result is `invalid` and repeat the load, or send it with `on_error=skip`."


@dataclass(slots=True)
class Line(Generic[Data]):
    """One valid line. `number` counts from 1, blank lines included."""

    number: int
    data: Data


@dataclass(slots=True)
class Result:
    """The result of one line. `id` is that of its record, if there is one."""

    line: int
    result: LineResult
    id: UUID | None = None
    problem: Problem | None = None


@dataclass
class Batch:
    """The results of a batch, one for each of its lines in any order, with what the audit records."""

    results: list[Result] = field(default_factory=list)
    area_of: Mapping[UUID, UUID] = field(default_factory=dict)
    """The area of each record that a result names, where the caller works in several."""
    subjects: dict[UUID, UUID] = field(default_factory=dict)
    """The pupils whom those records are about, each with the area."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Names of the changed fields, each with a digest of the new values."""


@dataclass(frozen=True)
class BulkImport(Generic[Data]):
    """How one resource is imported.

    Args:
        resource: the resource.
        model: the model of a line.
        natural_key: the field that identifies a line. Its value may appear once in an import.
        store: stores a batch within the caller's transaction, in a constant number of statements.
    """

    resource: Resource
    model: type[Data]
    natural_key: str
    store: Callable[[AsyncSession, Principal, Sequence[Line[Data]]], Awaitable[Batch]]


class BulkImportRun(Generic[Data]):
    """One import that is running.

    Args:
        until: the time, by `time.monotonic`, after which an import that skips lines begins no other batch.
    """

    broken_by: Exception | None = None
    """The error that ended the import after a batch was stored."""
    audit: AuditRecord | None
    """The record of a dry run, or of an import that stored nothing; None if events were committed with the batches."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        source: AuditSource,
        action: str,
        load: BulkImport[Data],
        *,
        on_error: OnError,
        dry_run: bool,
        until: float,
    ) -> None:
        assert source.principal is not None, "a load has a caller"
        self.sessions, self.source, self.load = sessions, source, load
        self.principal: Principal = source.principal
        self.on_error, self.dry_run, self.until = on_error, dry_run, until
        self._record = AuditRecord(action)
        self._shown = self._record
        self._recorded = False
        self._first_lines: dict[Any, int] = {}

    async def run(self, lines: AsyncIterator[Line[Data] | Result], keep: Callable[[Result], None]) -> bool:
        """Store the lines, and call `keep` with the result of each, in order.

        The event of a batch commits with it, so that no change is without its event even if a later batch fails. An
        import of more than `BATCH` lines therefore has several events with one request id. `audit` is the record of a
        dry run. An error after a batch was stored becomes the result of the remaining lines.

        Returns:
            Whether the results are final. If not, a line was invalid, `on_error` is `abort`, and nothing was stored.

        Raises:
            sqlalchemy.exc.DBAPIError: the lock is not available, while another import writes the same rows. After this
                and any other error, nothing was stored, and the import can run again.
        """
        self._shown = self._record
        complete, self._recorded = True, False
        if self.on_error is OnError.SKIP:
            async for batch in _batches(lines):
                for result in _left_out(batch) if self.broken_by else await self._commit(batch):
                    keep(result)
        else:
            complete = await self._commit_all(_batches(lines), keep)
        self.audit = None if complete and self._recorded else self._shown
        return complete

    async def _commit(self, batch: Sequence[Line[Data] | Result]) -> list[Result]:
        """Store a batch on its own, and return its results.

        Raises:
            Exception: when it cannot be stored, and no batch was before it.
        """
        try:
            if self._recorded and time.monotonic() >= self.until:
                raise TimeoutError
            async with self.sessions() as session:
                await self._take_turn(session)
                results, events = await self._store(session, batch)
                await self._end(session, events)
        except Exception as error:
            if not self._recorded:
                raise
            self.broken_by = error
            return _left_out(batch)
        return results

    async def _commit_all(
        self, batches: AsyncIterator[list[Line[Data] | Result]], keep: Callable[[Result], None]
    ) -> bool:
        """Store every batch or none, and return whether they are stored.

        The events are written at the end, because readers of the same pupils write events too, and would wait.
        """
        valid, events = True, list[EventRow]()
        async with self.sessions() as session:
            await self._take_turn(session)
            async for batch in batches:
                results, more = await self._store(session, batch)
                valid = valid and all(result.problem is None for result in results)
                events += more
                for result in results:
                    keep(result)
            if valid:
                await self._end(session, events)
        return valid

    async def _end(self, session: AsyncSession, events: Sequence[EventRow]) -> None:
        """Commit the batches with their events. A dry run commits nothing."""
        if self.dry_run:
            return
        await add_events(await driver_connection(session), events)
        await session.commit()
        self._recorded = self._recorded or bool(events)

    async def _take_turn(self, session: AsyncSession) -> None:
        """Begin a transaction when no other import writes the same caller's rows, so that no two block each other."""
        await set_context_of(session, self.principal)
        pairs = self.principal.pairs(self.load.resource.row_access_of(self.principal.role))
        await session.execute(
            text("select pg_advisory_xact_lock(hashtextextended(k, 0)) from unnest(cast(:keys as text[])) k"),
            {"keys": sorted(f"{self.load.resource.name}/{area}/{key}" for area, key in pairs)},
        )

    async def _store(
        self, session: AsyncSession, batch: Iterable[Line[Data] | Result]
    ) -> tuple[list[Result], Sequence[EventRow]]:
        """Return the results of a batch in order, and the events that commit with it."""
        results: list[Result] = []
        good: list[Line[Data]] = []
        for line in batch:
            refused = line if isinstance(line, Result) else self._repeated(line)
            if refused:
                results.append(refused)
            elif isinstance(line, Line):
                good.append(line)
        stored = await self.load.store(session, self.principal, good) if good else Batch()
        await session.flush()
        session.expunge_all()
        events = self._events(stored)
        results += [replace(result, id=None) if self._is_undone(result) else result for result in stored.results]
        return sorted(results, key=lambda result: result.line), events

    def _repeated(self, line: Line[Data]) -> Result | None:
        name = self.load.natural_key
        first = self._first_lines.setdefault(getattr(line.data, name), line.number)
        if first == line.number:
            return None
        field_error = FieldError(f"/{name}", "repeated", f"This {name} is repeated: line {first} has it already.")
        return Result(line.number, "invalid", problem=Invalid(errors=(field_error,)))

    def _is_undone(self, result: Result) -> bool:
        return self.dry_run and result.result == "created"

    def _events(self, stored: Batch) -> Sequence[EventRow]:
        """Return the events of a batch. A dry run has none, and adds the batch to its record."""
        named = [result.id for result in stored.results if result.id is not None and not self._is_undone(result)]
        areas = [stored.area_of[record] for record in named] if stored.area_of else self.principal.areas
        if self.dry_run:
            shown = self._shown
            subjects = dict(zip(shown.subjects, shown.subject_areas, strict=True)) | stored.subjects
            self._shown = replace(
                shown,
                records=[*shown.records, *named],
                areas=[*shown.areas, *areas] if stored.area_of else areas,
                subjects=list(subjects),
                subject_areas=list(subjects.values()),
            )
            return ()
        if not named:
            return ()
        record = replace(
            self._record,
            records=named,
            areas=areas,
            subjects=list(stored.subjects),
            subject_areas=list(stored.subjects.values()),
            changes=stored.changes or None,
        )
        return events_of(self.source, record, 200)


async def _batches(lines: AsyncIterator[Line[Data] | Result]) -> AsyncIterator[list[Line[Data] | Result]]:
    batch: list[Line[Data] | Result] = []
    async for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _left_out(batch: Iterable[Line[Data] | Result]) -> list[Result]:
    """Return the results of the lines that were not reached before an import failed."""
    problem = Unavailable(
        "The load broke off before this line was stored. Send it again: a repeated load changes nothing."
    )
    return [line if isinstance(line, Result) else Result(line.number, "invalid", problem=problem) for line in batch]
