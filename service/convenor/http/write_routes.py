"""Writing: one transaction for the change, its idempotency key and its audit event; committed before the answer."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from convenor.audit.writer import AuditDraft, add_event
from convenor.database.idempotency import KeyReservation, StoredResponse, reserve_key, store_response
from convenor.database.pools import again_after_deadlock, driver_connection, driver_error
from convenor.database.row_security import set_context_of
from convenor.http.json_body import refuse_unreadable
from convenor.http.operation import Operation
from convenor.problems import (
    AlreadyExists,
    FieldError,
    FieldErrors,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    Invalid,
    PreconditionMissing,
    Problem,
    Stale,
    StateConflict,
    StillRunning,
    TooLarge,
    WrongMediaType,
)
from convenor.read_model.execute import Answer, read_one
from convenor.read_model.query_string import read_parameters
from convenor.read_model.resource import Resource
from convenor.security.principal import Principal

ROW_WAIT = "2s"
"""How long a change waits for a record that another one holds: a connection is not to wait as long as for a key.

Longer than it takes the database to find a deadlock (`deadlock_timeout`, 1 s), which is then tried again.
"""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
"""A list of entity tags, in which empty places count for nothing (RFC 9110 sections 5.6.1 and 8.8.3)."""


class Replay(Exception):  # noqa: N818 - no error: the answer is already there
    """Ends a repeated call with the answer that its first one got."""

    def __init__(self, kept: StoredResponse) -> None:
        self.kept = kept


IfMatch = frozenset[str] | None
"""The tags one of which the record must have; none where any version will do."""


def etag_of(version: object) -> str:
    """The entity tag of a record's version."""
    return f'"{version}"'


@dataclass
class WriteContext:
    """One change on its way: the session, the caller, and what the audit will say."""

    session: AsyncSession
    principal: Principal
    note: AuditDraft
    if_match: IfMatch = None
    claimed: KeyReservation | None = None
    sent: BaseModel | None = field(default=None, init=False)

    def concerns(self, row: Any) -> None:
        """Tells the audit which record the call is about, so that a refusal names it too."""
        area: UUID = row.area_id
        pupil = getattr(row, "pupil_id", None)
        self.note.records, self.note.areas = [getattr(row, "id", area)], [area]
        self.note.subjects = [pupil] if pupil else []

    def check_version(self, row: Any) -> None:
        """Raises `Stale` when the record that the call concerns is not the one that the caller saw."""
        self.concerns(row)
        if self.if_match is not None and etag_of(row.version) not in self.if_match:
            raise Stale

    def note_changes(self, data: BaseModel) -> None:
        """Tells the audit which fields were sent: their names, each with a digest of the value (see `_answer`)."""
        self.sent = data

    async def created(self, resource: Resource, record: UUID, path: str | None = None) -> Response:
        """201 with the record as the caller may see it, where it is and its ETag."""
        return await self._answer(201, resource, record, {"Location": f"{path or '/v1/' + resource.name}/{record}"})

    async def changed(self, resource: Resource, record: UUID, status: int = 200) -> Response:
        """The record after a change."""
        return await self._answer(status, resource, record, {})

    async def show(self, connection: Any, resource: Resource, record: UUID) -> Answer:
        """The record as the answer shows it, read in the transaction that wrote it."""
        return await read_one(connection, self.principal, resource, str(record))

    async def _answer(self, status: int, resource: Resource, record: UUID, headers: dict[str, str]) -> Response:
        await self.session.flush()
        read = await self.show(await driver_connection(self.session), resource, record)
        self.note.records = [*(known for known in self.note.records if known not in read.ids), *read.ids]
        self.note.subjects, self.note.areas = read.subjects, read.areas[:1]
        if self.sent:
            self.note.changes = {
                name: self.principal.digest(record, name, value) for name, value in _fields_sent(self.sent)
            }
        if read.etag:
            headers["ETag"] = etag_of(read.etag)
        return Response(read.body, status, headers, "application/json")


Makes = Callable[[AsyncSession, Principal, AuditDraft, IfMatch, KeyReservation | None], WriteContext]


@dataclass(frozen=True)
class WriteCall:
    """A call that is to change something: all that its transaction needs.

    Args:
        sessions: what opens a session.
        principal: for whom.
        note: what the audit will say.
        if_match: the tags of the versions that the caller would change.
        claimed: the idempotency key that came with the call.
        makes: how the answer is written.
    """

    sessions: Callable[[], AsyncSession]
    principal: Principal
    note: AuditDraft
    if_match: IfMatch = None
    claimed: KeyReservation | None = None
    makes: Makes = WriteContext

    async def run(self, change: Callable[[WriteContext], Awaitable[Response]]) -> Response:
        """Make a change in one transaction: committed with its idempotency key and its audit event, or not at all.

        Where the database ends the transaction to resolve a deadlock, make the change once more from its beginning.

        Args:
            change: what the route does.

        Raises:
            Replay: the call is a repeated one.
            StillRunning: its first one has not ended.
        """
        return await again_after_deadlock(partial(self._attempt, change))

    async def _attempt(self, change: Callable[[WriteContext], Awaitable[Response]]) -> Response:
        self.note.forget()
        async with self.sessions() as session, session.begin():
            if self.claimed:
                await _take(session, self.claimed)
            await set_context_of(session, self.principal, ROW_WAIT)
            write = self.makes(session, self.principal, self.note, self.if_match, self.claimed)
            answer = await change(write)
            await _finish(write, answer)
        self.note.written = True
        return answer


@dataclass(frozen=True)
class WriteOperation(Operation):
    """One change, in a transaction of its own.

    Args:
        creates: an `Idempotency-Key` must come with it.
        changes: an `If-Match` must come with it.
        keyed: an `Idempotency-Key` may come with it, and an `If-Match` is heeded.
    """

    creates: bool = False
    changes: bool = False
    keyed: bool = False

    @property
    def takes_key(self) -> bool:
        """Whether an `Idempotency-Key` may come with it."""
        return self.creates or self.keyed

    @property
    def takes_version(self) -> bool:
        """Whether an `If-Match` may come with it."""
        return self.changes or self.keyed

    @property
    def ends_in(self) -> frozenset[type[Problem]]:
        """The problems that a call of it can end in."""
        found = super().ends_in | {StateConflict, AlreadyExists, TooLarge, WrongMediaType}
        if self.takes_key:
            found |= {IdempotencyKeyMissing, IdempotencyKeyReused, StillRunning}
        if self.takes_version:
            found |= {Stale}
        if self.changes:
            found |= {PreconditionMissing}
        return found

    async def __call__(self, request: Request) -> WriteCall:
        """Prepare the call; the route's endpoint runs its function in the transaction (see `GuardedRoute`)."""
        principal = self.authorise(request)
        refuse_unreadable(request)
        _refuse_parameters(request)
        note: AuditDraft = request.scope["state"]["note"]
        if_match = _if_match(request, required=self.changes) if self.takes_version else None
        claimed = await _claim_of(request, principal, required=self.creates) if self.takes_key else None
        return WriteCall(request.app.state.sessions, principal, note, if_match, claimed)


def writes(
    scope: str,
    action: str,
    *,
    creates: bool = False,
    changes: bool = False,
    keyed: bool = False,
    problems: Iterable[type[Problem]] = (),
) -> Any:
    """Declare the operation as a parameter's default: `write: Write = Writing(...)`."""
    return Depends(WriteOperation(scope, action, creates, changes, keyed, problems=tuple(problems)))


def note_replay(note: AuditDraft, kept: StoredResponse) -> None:
    """Tells the audit that nothing was done, and what the repeated call shows again."""
    note.action += "_replayed"
    note.records, note.subjects = kept.records, kept.subjects
    note.areas = [kept.area_id] if kept.area_id else ()


async def answer_replay(request: Request, error: Exception) -> Response:
    """The exception handler of `Replay`."""
    assert isinstance(error, Replay)
    note_replay(request.scope["state"]["note"], error.kept)
    return Response(error.kept.body, error.kept.status, {**error.kept.headers, "Idempotency-Replayed": "true"})


def _fields_sent(data: BaseModel) -> Iterator[tuple[str, object]]:
    """The fields of a body, and of the objects in it, by dotted name."""
    for name in data.model_fields_set:
        value = getattr(data, name)
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", each) for inner, each in _fields_sent(value))
        else:
            yield name, value


async def _take(session: AsyncSession, claimed: KeyReservation) -> None:
    try:
        kept = await reserve_key(session, claimed)
    except DBAPIError as error:
        if isinstance(driver_error(error), asyncpg.LockNotAvailableError):
            raise StillRunning(headers={"Retry-After": "5"}) from error
        raise
    if kept:
        raise Replay(kept)


async def _finish(write: WriteContext, answer: Response) -> None:
    if write.claimed:
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        note = write.note
        kept = StoredResponse(
            answer.status_code, headers, bytes(answer.body), note.areas[0], note.records, note.subjects
        )
        await store_response(write.session, write.claimed, kept)
    await write.session.flush()
    await add_event(await driver_connection(write.session), write.note, answer.status_code)


def key_reservation(principal: Principal, method: str, path: str, key: str, body: bytes) -> KeyReservation:
    """What an idempotency key of a client claims: this call, with this body, by whoever may see what it may see.

    The answer that is kept shows what the first call was allowed to see; nobody gets it who may see something else.

    Raises:
        IdempotencyKeyMissing: the key is no key.
    """
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyMissing
    where = hashlib.sha256(path.encode()).hexdigest()
    digest = hashlib.sha256(body)
    grants = sorted((str(grant.area_id), grant.kind, str(grant.key)) for grant in principal.grants)
    digest.update(repr((principal.role, sorted(principal.clearances), grants)).encode())
    return KeyReservation(principal.client_id, method, where, key, digest.digest())


async def _claim_of(request: Request, principal: Principal, *, required: bool) -> KeyReservation | None:
    key = request.headers.get("idempotency-key")
    if key is None and not required:
        return None
    if key is None:
        raise IdempotencyKeyMissing
    return key_reservation(principal, request.method, request.scope["path"], key, await request.body())


def _refuse_parameters(request: Request) -> None:
    errors = FieldErrors()
    read_parameters(request.scope["query_string"], (), errors)
    errors.raise_if_any()


def _if_match(request: Request, *, required: bool) -> IfMatch:
    """The tags of `If-Match`. A weak one is none that a record could have (RFC 9110 section 13.1.1)."""
    lines = request.headers.getlist("if-match")
    if not lines and not required:
        return None
    if not lines:
        raise PreconditionMissing
    given = ",".join(lines).strip()
    if given == "*":
        return None
    if not _TAGS.fullmatch(given):
        raise Invalid(
            errors=(
                FieldError("/headers/if-match", "etag", "Send ETags as this service gave them, quotes included, or *."),
            )
        )
    return frozenset(re.findall(_TAG, given))
