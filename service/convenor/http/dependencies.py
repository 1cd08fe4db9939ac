"""Declare what a route requires of its caller, as FastAPI dependencies: `reads(...)` and `writes(...)`."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from convenor.database.idempotency import FirstAnswer, KeyReservation
from convenor.database.pools import Pool
from convenor.http.exception_handlers import WriteFailed, answer_problem, unknown_parameters
from convenor.http.json_body import refuse_unreadable
from convenor.http.operation import Operation
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.http.write_context import IfMatch, Replay, WriteCall, replayed
from convenor.problems import (
    AlreadyExists,
    AmbiguousKey,
    FieldError,
    FieldErrors,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    Invalid,
    NotFound,
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
from convenor.security.principal import Principal

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
"""A list of entity tags, whose empty elements do not count (RFC 9110 sections 5.6.1 and 8.8.3)."""


@dataclass(frozen=True)
class ReadContext:
    """A permitted read whose answer is not a record of a resource: the caller, and a pool for reading."""

    principal: Principal
    readers: Pool
    unknown: FieldErrors

    def refuse_unknown(self) -> None:
        """Refuse parameters that are unknown or repeated.

        Raises:
            Invalid: with every such parameter.
        """
        self.unknown.raise_if_any()


@dataclass(frozen=True)
class ReadOperation(Operation):
    """A read whose answer is not a record of a resource."""

    async def __call__(self, request: Request) -> ReadContext:
        """Check the scope."""
        context = self.authorise(request)
        return ReadContext(context.caller, context.services.readers, unknown_parameters(request))


def reads(scope: str, action: str) -> Any:
    """Declare what a route reads: `read: Annotated[ReadContext, reads("insights:read", "insights:waits")]`.

    Args:
        scope: The scope that the token needs; empty if any token will do.
        action: The action, for the audit.
    """
    return Depends(ReadOperation(scope, action))


@dataclass(frozen=True)
class WriteOperation(Operation):
    """One change, in a transaction of its own.

    Args:
        creates: An `Idempotency-Key` must come with it.
        changes: An `If-Match` must come with it.
        keyed: An `Idempotency-Key` may come with it, and so may an `If-Match`.
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
    def actions(self) -> tuple[str, ...]:
        """Return every action that the audit may call it by."""
        return (self.action, replayed(self.action)) if self.takes_key else (self.action,)

    @property
    def ends_in(self) -> frozenset[type[Problem]]:
        """Return the problems that a call can end in."""
        found = super().ends_in | {StateConflict, AmbiguousKey, AlreadyExists, TooLarge, WrongMediaType}
        if self.takes_key:
            found |= {IdempotencyKeyMissing, IdempotencyKeyReused, NotFound, StillRunning}
        if self.takes_version:
            found |= {Stale}
        if self.changes:
            found |= {PreconditionMissing}
        return found

    async def __call__(self, request: Request) -> WriteCall:
        """Prepare the call; the route's endpoint runs its function in the transaction (see `GuardedRoute`)."""
        context = self.authorise(request)
        refuse_unreadable(request)
        _refuse_parameters(request)
        if_match = _if_match(request, required=self.changes) if self.takes_version else None
        reservation = await _reservation_of(request, context, required=self.creates) if self.takes_key else None
        services = context.services
        return WriteCall(services.sessions, services.write_queues, context.source, self.action, if_match, reservation)


def writes(
    scope: str,
    action: str,
    *,
    creates: bool = False,
    changes: bool = False,
    keyed: bool = False,
    problems: Iterable[type[Problem]] = (),
) -> Any:
    """Declare what a route writes: `write: Annotated[WriteContext, writes("slas:write", "slas:update", changes=True)]`.

    Args:
        scope: The scope that the token needs.
        action: The action, for the audit.
        creates: An `Idempotency-Key` must come with it.
        changes: An `If-Match` must come with it.
        keyed: An `Idempotency-Key` may come with it, and so may an `If-Match`.
        problems: The problems of its rules, besides those of any change.
    """
    return Depends(WriteOperation(scope, action, creates, changes, keyed, problems=tuple(problems)))


async def answer_replay(request: Request, error: Exception) -> AuditedResponse:
    """Answer a repeated call. This is the exception handler of `Replay`."""
    assert isinstance(error, Replay)
    context = RequestContext.of(request)

    async def read(first: FirstAnswer) -> Answer:
        resource = context.services.resources[first.resource]
        return await read_one(context.services.readers, context.caller, resource, str(first.record_id))

    try:
        answer = await error.answer(context.action, read)
    except WriteFailed as failed:
        return await answer_problem(request, failed)
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def key_reservation(principal: Principal, method: str, path: str, key: str, body: bytes) -> KeyReservation:
    """Describe an idempotency key of a client for this call and this body, while the client has the same access.

    A client whose access has changed repeats nothing: its call is another one. The key and the body are stored as keyed
    hashes, because both may hold what identifies a child.

    Raises:
        IdempotencyKeyMissing: The key is malformed.
    """
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyMissing
    where = hashlib.sha256(path.encode()).hexdigest()
    grants = sorted((str(grant.area_id), grant.kind, str(grant.key)) for grant in principal.grants)
    rights = repr((principal.role, sorted(principal.clearances), grants)).encode()
    hashed = principal.keyed_hash(key.encode()).hex()
    return KeyReservation(principal.client_id, method, where, hashed, principal.keyed_hash(body + rights))


async def _reservation_of(request: Request, context: RequestContext, *, required: bool) -> KeyReservation | None:
    key = request.headers.get("idempotency-key")
    if key is None and not required:
        return None
    if key is None:
        raise IdempotencyKeyMissing
    return key_reservation(context.caller, request.method, request.scope["path"], key, await request.body())


def _refuse_parameters(request: Request) -> None:
    errors = FieldErrors()
    read_parameters(request.scope["query_string"], (), errors)
    errors.raise_if_any()


def _if_match(request: Request, *, required: bool) -> IfMatch:
    """Read the tags of `If-Match`. A weak tag matches no record (RFC 9110 section 13.1.1)."""
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
