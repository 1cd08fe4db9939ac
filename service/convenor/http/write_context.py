"""The unit of work: a change, its idempotency key and its audit event in one transaction, before the answer."""

from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from convenor.audit.record import AuditRecord, AuditSource
from convenor.audit.writer import add_event
from convenor.database.idempotency import FirstAnswer, KeyReservation, reserve_key, store_answer
from convenor.database.pools import again_after_deadlock, driver_connection, driver_error
from convenor.database.row_security import set_context_of
from convenor.http.exception_handlers import WriteFailed, problem_of
from convenor.http.responses import AuditedResponse
from convenor.http.write_queues import WriteQueues
from convenor.problems import Problem, Stale, StillRunning
from convenor.read_model.execute import Answer, read_one
from convenor.read_model.resource import Resource
from convenor.security.principal import Principal

ROW_WAIT = "2s"
"""How long a change waits for a record that another one holds: a connection is not to wait as long as for a key.

Longer than it takes the database to find a deadlock (`deadlock_timeout`, 1 s), which is then tried again.
"""

IfMatch = frozenset[str] | None
"""The tags one of which the record must have; none where any version will do."""

Row = TypeVar("Row", bound=SQLModel)
Data = TypeVar("Data", bound=BaseModel)
Others = Sequence[Any]
"""Further rows that a change touched, each with an `id` and the `statement_id` about its pupil."""
Rule = Callable[[AsyncSession, Principal, Row, Data], Awaitable[Others | None]]
"""What a change does to the row that was loaded for it. It returns further rows that it touched, for the audit."""


class Replay(Exception):  # noqa: N818 - no error: the answer is already there
    """Ends a repeated call, which answers with the record of its first one as the caller may see it now."""

    def __init__(self, first: FirstAnswer) -> None:
        self.first = first

    async def answer(self, action: str, read: Callable[[FirstAnswer], Awaitable[Answer]]) -> AuditedResponse:
        """Read the record, and answer with the status and the address of the first answer.

        Args:
            action: Of the operation, for the audit: nothing was done, and the record is shown again.
            read: Reads the record in the form of the answer.

        Raises:
            WriteFailed: The caller may not see the record any more, or reading failed.
        """
        action = replayed(action)
        try:
            found = await read(self.first)
        except Problem as problem:
            raise WriteFailed(problem, AuditRecord(action, [self.first.record_id])) from problem
        headers = {"Location": self.first.location} if self.first.location else {}
        if found.etag:
            headers["ETag"] = etag_of(found.etag)
        audit = AuditRecord.showing(action, found)
        return AuditedResponse(found.body, self.first.status, headers, "application/json", audit=audit)


def replayed(action: str) -> str:
    """Return what the audit calls a repeated call."""
    return f"{action}_replayed"


def etag_of(version: object) -> str:
    """Return the entity tag of a record's version."""
    return f'"{version}"'


async def set_fields(_session: AsyncSession, _principal: Principal, row: Any, data: Any) -> None:
    """Set the fields that were sent, where no rule says more about them."""
    row.sqlmodel_update(data.columns())
    row.version += 1


@dataclass
class WriteContext:
    """One change under way, inside its transaction."""

    session: AsyncSession
    source: AuditSource
    action: str
    if_match: IfMatch = None
    reservation: KeyReservation | None = None
    record: AuditRecord = field(init=False)
    """What the event will hold, as far as it is known: a refusal names the record too."""
    first: FirstAnswer | None = field(init=False, default=None)
    """What the idempotency key keeps of the answer."""

    def __post_init__(self) -> None:
        self.record = AuditRecord(self.action)

    @property
    def principal(self) -> Principal:
        """The caller."""
        assert self.source.principal is not None, "a change has a caller"
        return self.source.principal

    def concerns(
        self, *, records: Sequence[UUID] = (), areas: Sequence[UUID] = (), subjects: Sequence[UUID] = ()
    ) -> None:
        """Name what the call is about, so that the event of a refusal names it too."""
        self.record = replace(self.record, records=records, areas=areas, subjects=subjects)

    async def update(
        self, resource: Resource, row: Row, data: Data, rule: Rule[Row, Data] = set_fields, *, status: int = 200
    ) -> AuditedResponse:
        """Change one record: check its version, apply a rule, record which fields were sent, and answer.

        Every route that takes an `If-Match` changes its record here.

        Args:
            resource: What the record is to a reader.
            row: The record, locked.
            data: What was sent.
            rule: Changes the row, or refuses to.
            status: Of the answer.

        Raises:
            Stale: The record is not the version that the caller saw.
        """
        written: Any = row
        record = getattr(written, "id", written.area_id)
        statement = getattr(written, "statement_id", None)
        self.concerns(records=[record], areas=[written.area_id], subjects=[statement] if statement else [])
        if self.if_match is not None and etag_of(written.version) not in self.if_match:
            raise Stale
        others = await rule(self.session, self.principal, row, data) or ()
        answer = await self._answer(status, resource, record, {}, others=others)
        changes = {name: self.principal.digest(record, name, value) for name, value in _fields_sent(data)}
        self.record = replace(self.record, changes=changes)
        return answer

    async def created(
        self,
        resource: Resource,
        record: UUID,
        path: str | None = None,
        *,
        also: Sequence[UUID] = (),
        others: Others = (),
    ) -> AuditedResponse:
        """Answer 201 with a new record as the caller may see it, its address and its ETag.

        Args:
            resource: What the record is to a reader.
            record: Its id.
            path: The list that it stands in, where its name differs from the resource's.
            also: Other records that the change concerned, for the audit.
            others: Further rows that it touched, for the audit too.
        """
        location = f"{path or '/v1/' + resource.name}/{record}"
        return await self._answer(201, resource, record, {"Location": location}, also, others)

    async def changed(
        self, resource: Resource, record: UUID, status: int, *, also: Sequence[UUID] = ()
    ) -> AuditedResponse:
        """Answer with a record after a change to several, which are named in `also`."""
        return await self._answer(status, resource, record, {}, also)

    async def show(self, connection: Any, resource: Resource, record: UUID) -> Answer:
        """Read the record as the answer shows it, in the transaction that wrote it."""
        return await read_one(connection, self.principal, resource, str(record))

    async def _answer(
        self,
        status: int,
        resource: Resource,
        record: UUID,
        headers: dict[str, str],
        also: Sequence[UUID] = (),
        others: Others = (),
    ) -> AuditedResponse:
        await self.session.flush()
        read = await self.show(await driver_connection(self.session), resource, record)
        concerned = [known for known in self.record.records if known not in read.ids]
        self.record = replace(
            self.record,
            records=[*concerned, *read.ids, *also, *(other.id for other in others)],
            subjects=[*read.subjects, *(other.statement_id for other in others)],
            areas=read.areas[:1],
        )
        if read.etag:
            headers["ETag"] = etag_of(read.etag)
        self.first = FirstAnswer(status, resource.name, record, headers.get("Location"))
        # Its event commits with the change, so nothing is left for the middleware to write.
        return AuditedResponse(read.body, status, headers, "application/json", audit=None)


Makes = Callable[[AsyncSession, AuditSource, str, IfMatch, KeyReservation | None], WriteContext]


@dataclass(frozen=True)
class WriteCall:
    """A call that is to change something: all that its transaction needs.

    Args:
        sessions: Opens a session.
        queues: Where it waits for others that change the same record.
        source: For whom.
        action: What the audit calls the change.
        if_match: The tags of the versions that the caller would change.
        reservation: The idempotency key that came with the call.
        makes: How the answer is written.
    """

    sessions: Callable[[], AsyncSession]
    queues: WriteQueues
    source: AuditSource
    action: str
    if_match: IfMatch = None
    reservation: KeyReservation | None = None
    makes: Makes = WriteContext

    async def run(
        self, change: Callable[[WriteContext], Awaitable[AuditedResponse]], named: Mapping[str, str]
    ) -> AuditedResponse:
        """Make a change in one transaction: committed with its idempotency key and its audit event, or not at all.

        Where the database ends the transaction to resolve a deadlock, make the change once more from its beginning.

        Args:
            change: What the route does.
            named: The keys of records in the path, by parameter.

        Raises:
            Replay: The call is a repeated one.
            WriteFailed: Whatever else ended it, with the record that it concerned.
        """
        last: list[WriteContext] = []
        try:
            async with AsyncExitStack() as turns:
                # The key first, as in the transaction: nobody with a turn at a record waits for a key.
                for queue in self._queues_for(named):
                    await turns.enter_async_context(self.queues.turn(queue))
                return await again_after_deadlock(partial(self._attempt, change, last))
        except Replay:
            raise
        except Exception as error:
            record = last[0].record if last else AuditRecord(self.action)
            raise WriteFailed(problem_of(error, self.source.request_id), record) from error

    def _queues_for(self, named: Mapping[str, str]) -> Iterator[Hashable]:
        if self.reservation:
            yield tuple(self.reservation.names().values())
        for name, key in named.items():
            try:
                yield UUID(key)
            except ValueError:
                # Each area has codes of its own.
                areas = self.source.principal.areas if self.source.principal else ()
                yield name, key, areas

    async def _attempt(
        self, change: Callable[[WriteContext], Awaitable[AuditedResponse]], last: list[WriteContext]
    ) -> AuditedResponse:
        last.clear()
        async with self.sessions() as session, session.begin():
            if self.reservation:
                await _reserve(session, self.reservation)
            write = self.makes(session, self.source, self.action, self.if_match, self.reservation)
            last.append(write)
            await set_context_of(session, write.principal, ROW_WAIT)
            answer = await change(write)
            await _finish(write, answer)
        return answer


def _fields_sent(data: BaseModel) -> Iterator[tuple[str, object]]:
    """List the fields of a body, and of the objects in it, by dotted name."""
    for name in data.model_fields_set:
        value = getattr(data, name)
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", each) for inner, each in _fields_sent(value))
        else:
            yield name, value


async def _reserve(session: AsyncSession, reservation: KeyReservation) -> None:
    try:
        first = await reserve_key(session, reservation)
    except DBAPIError as error:
        if isinstance(driver_error(error), asyncpg.LockNotAvailableError):
            raise StillRunning(headers={"Retry-After": "5"}) from error
        raise
    if first:
        raise Replay(first)


async def _finish(write: WriteContext, answer: AuditedResponse) -> None:
    if write.reservation:
        assert write.first, "a change answers with a record"
        await store_answer(write.session, write.reservation, write.first)
    await write.session.flush()
    await add_event(await driver_connection(write.session), write.source, write.record, answer.status_code)
