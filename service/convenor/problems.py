"""Define the problems that a client can meet, each with its cause and remedy.

A problem that only one feature raises is defined with that feature's rules.

A problem's class docstring is its default sentence; `cause`, `remedy` and `retry` fill the page `/problems/{code}`.
Source: RFC 9457.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from convenor.request_limits import BODY_SECONDS, BULK_PART, MAX_BODY, MAX_BULK, MAX_LINES


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error in a field, parameter or header of the request.

    `pointer` is a JSON pointer (RFC 6901) into the body; `/query/...` and `/headers/...` name parameters and headers.
    """

    pointer: str
    code: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """Return the error as an entry of a problem's `errors`."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


@dataclass(frozen=True)
class Member:
    """A further member that problems of one kind may hold.

    Args:
        name: the member's name.
        type_: its type.
        description: what it means.
    """

    name: str
    type_: Any
    description: str


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """The request cannot be answered."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "problem"
    title: ClassVar[str] = "Problem"
    cause: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    retry: ClassVar[str] = "Retrying unchanged gives the same answer."
    carries: ClassVar[tuple[Member, ...]] = ()

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.detail = detail or self.summary()
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra or {}
        undeclared = self.extra.keys() - {member.name for member in self.carries}
        assert not undeclared, f"{type(self).__name__} carries {undeclared}, which the contract would not describe"
        super().__init__(self.detail)

    @classmethod
    def summary(cls) -> str:
        """Return the default sentence, the first line of the docstring."""
        return (cls.__doc__ or cls.title).split("\n")[0]


class Unreadable(Problem):
    """The body or the query string could not be read."""

    status, code, title = 400, "unreadable", "Unreadable request"
    cause = (
        "The body is not UTF-8 JSON (RFC 8259, RFC 7493), a parameter is not valid percent-encoded UTF-8, or the header"
        " `Host` is missing, repeated or malformed (RFC 9112)."
    )
    remedy = "Send well-formed UTF-8 and one `Host` header; `detail` says what could not be read."


class IdempotencyKeyMissing(Problem):
    """The idempotency key is missing or invalid: send 1 to 255 visible ASCII characters."""

    status, code, title = 400, "idempotency_key_missing", "Idempotency key missing"
    cause = "The call creates a record and has no valid key, so that a repeat could create the record twice."
    remedy = (
        "Send a new key, such as a UUID, with each new record, and the same key when you repeat a call. Send it as the"
        " header `Idempotency-Key`, or over GraphQL as the argument `idempotencyKey`."
    )


class Unauthenticated(Problem):
    """Send a valid access token from `POST /oauth/token`, as `Authorization: Bearer`."""

    status, code, title = 401, "unauthenticated", "Not authenticated"
    cause = "The access token is missing, malformed or expired, or another service issued it."
    remedy = "Get a token from `POST /oauth/token` and send it as `Authorization: Bearer`."
    retry = "Retry once with a new token."


class ScopeMissing(Problem):
    """The access token lacks the scope that this call needs."""

    status, code, title = 403, "scope_missing", "Scope missing"
    cause = "The call needs a scope that this token does not have. `scope` names it."
    remedy = "Request the scope with the token. If your role cannot have the scope, it may not make this call."
    carries = (Member("scope", str, "the scope that the call needs."), Member("role", str, "the caller's role."))

    def __init__(self, scope: str, role: str) -> None:
        super().__init__(
            f"This call needs {scope}, which this token does not have (role: {role}).",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            extra={"scope": scope, "role": role},
        )


class AgreementOver(Problem):
    """The data sharing agreement under which this client calls has ended."""

    status, code, title = 403, "agreement_ended", "Data sharing agreement ended"
    cause = "A client has access only while its data sharing agreement is in force."
    remedy = "Renew the agreement with the area's central team, which restores access."


class IdentifierInAddress(Problem):
    """The address holds a UPN or an NHS number: send it in a body, because addresses are logged."""

    status, code, title = 400, "identifier_in_address", "Identifier in the address"
    cause = "Proxies and clients log addresses, and a UPN or an NHS number is personal data."
    remedy = (
        "Send it in the body of `POST /v1/referrals/search`; over GraphQL, send the query by POST. Take the "
        "number out of your logs."
    )


class NotFound(Problem):
    """The record does not exist, or you may not see it."""

    status, code, title = 404, "not_found", "Not found"
    cause = "The record does not exist or is not shared with you. The answer is the same in both cases."
    remedy = "Check the identifier, and check with `GET /v1/me` which records you may see."


class NoSuchPath(Problem):
    """There is nothing at this address."""

    status, code, title = 404, "no_such_path", "No such address"
    cause = "This service has no such path."
    remedy = "See /docs for the addresses of this service."


class MethodNotAllowed(Problem):
    """This address does not accept this method; `Allow` lists the methods that it accepts."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"
    cause = "The path exists, but not with this method."
    remedy = "Use one of the methods in the `Allow` header."


class NotAcceptable(Problem):
    """This address cannot answer in any media type that `Accept` names."""

    status, code, title = 406, "not_acceptable", "Not acceptable"
    cause = "The `Accept` header excludes every media type that this address can answer in."
    remedy = "Leave `Accept` out, or include the media type that the documentation names."


class IllegalTransition(Problem):
    """The record's state does not allow this step."""

    status, code, title = 409, "illegal_transition", "Illegal transition"
    cause = "No step leads from the record's current state to the requested one, or your role may not make it."
    remedy = "Read the record again and choose one of the states in `legal`."
    carries = (
        Member("state", str, "the record's current state."),
        Member("legal", list[str], "the states that you can move the record to."),
    )

    def __init__(self, state: str, to: str, legal: list[str], detail: str | None = None) -> None:
        steps = ", ".join(legal) if legal else "none"
        super().__init__(
            detail or f"You cannot move this record from {state} to {to}. From here you can move it to: {steps}.",
            extra={"state": state, "legal": legal},
        )


class TooSlow(Problem):
    """The body did not arrive in time."""

    status, code, title = 408, "too_slow", "Body too slow"
    cause = (
        f"A body has {BODY_SECONDS} seconds to arrive. A bulk import has {BODY_SECONDS} seconds for each {BULK_PART:,}"
        " bytes and 10 minutes in all."
    )
    remedy = "Check the connection and send it again. With the same `Idempotency-Key`, nothing is stored twice."
    retry = "Retry over a faster connection, unchanged."


class StateConflict(Problem):
    """The record's current state does not allow this change."""

    status, code, title = 409, "state_conflict", "Conflict with the record's state"
    cause = "The request is valid, but conflicts with the current state of the record or of a related record."
    remedy = "Read the record again; `detail` says what prevents the change."


class AmbiguousKey(Problem):
    """Several records that you see have this code: name the one that you mean by its id."""

    status, code, title = 409, "ambiguous_key", "Code not unique"
    cause = "Records of several of your areas have this code, or it is of a handover that is put to several pupils."
    remedy = "Read the list of the records, and use the `id` of the one that you mean."


class AlreadyExists(Problem):
    """A record with this code or reference already exists."""

    status, code, title = 409, "already_exists", "Already exists"
    cause = "A code or reference must be unique, and another record already has this one."
    remedy = "Use another code, or update the record that holds it."
    carries = (Member("contact", str, "the id of your organisation's session that has the reference."),)


class StillRunning(Problem):
    """The first call with this idempotency key is still running."""

    status, code, title = 409, "still_running", "Still running"
    cause = "A call with the same `Idempotency-Key` has been running for more than five seconds."
    remedy = "Wait as long as `Retry-After` says and repeat the call unchanged."
    retry = "Retry after `Retry-After` seconds, unchanged."


class Stale(Problem):
    """The record has changed since you read it."""

    status, code, title = 412, "stale", "Record has changed"
    cause = "`If-Match` holds an ETag that is not the record's current one."
    remedy = "Read the record again, check what changed, and repeat the call with the new ETag."


class TooLarge(Problem):
    """The body is larger than this address accepts."""

    status, code, title = 413, "too_large", "Body too large"
    cause = (
        f"A body may have up to {MAX_BODY // 1_000_000} MB, a bulk import up to {MAX_BULK // 1_000_000} MB and"
        f" {MAX_LINES:,} lines."
    )
    remedy = "Send less in one call; send many records to /v1/bulk."


class WrongMediaType(Problem):
    """This address does not accept this Content-Type."""

    status, code, title = 415, "wrong_media_type", "Wrong Content-Type"
    cause = "The `Content-Type` is missing, or this address does not accept it."
    remedy = "Send application/json, or application/x-ndjson to /v1/bulk."


class WrongContentEncoding(Problem):
    """This service does not accept a body with a Content-Encoding."""

    status, code, title = 415, "wrong_content_encoding", "Wrong Content-Encoding"
    cause = "The `Content-Encoding` header says that the body is compressed or otherwise encoded."
    remedy = "Send the body as it is, without `Content-Encoding`."

    def __init__(self) -> None:
        super().__init__(headers={"Accept-Encoding": "identity"})


class Invalid(Problem):
    """The request has field errors; `errors` lists every one."""

    status, code, title = 422, "invalid", "Invalid request"
    cause = "One or more fields, parameters or headers are wrong. Nothing was stored."
    remedy = "Correct everything that `errors` lists, then send the request again."


class IdempotencyKeyReused(Problem):
    """This idempotency key was used with another body, or with other rights."""

    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"
    cause = "You used this key earlier with a different body, or with different access rights."
    remedy = "Use a new key for a new record; repeat an earlier call with exactly the same body."


class PreconditionMissing(Problem):
    """`If-Match` is missing: send the ETag of the record as you last read it."""

    status, code, title = 428, "precondition_missing", "If-Match missing"
    cause = "The call changes a record, so it must name the version that you read."
    remedy = "GET the record, and send its `ETag` as `If-Match`."


class Unavailable(Problem):
    """The service cannot answer at present."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"
    cause = (
        "The service or its database is unavailable or busy, or the request took too long. A change may or may not be"
        " stored."
    )
    remedy = "Repeat the call after `Retry-After` seconds. With the same `Idempotency-Key`, nothing is stored twice."
    retry = "Retry after `Retry-After` seconds, unchanged."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


class Unexpected(Problem):
    """The service failed unexpectedly; nothing was stored."""

    status, code, title = 500, "unexpected", "Unexpected error"
    cause = "An error in this service itself. Its log holds the details under the request id."
    remedy = "Report the `request_id` to the operator of this service."
    retry = "Retrying may help; with the same `Idempotency-Key` nothing is stored twice."


def catalogue() -> dict[str, type[Problem]]:
    """Map each problem code to its class; a class without its own code shares its parent's."""
    return {kind.code: kind for kind in _classes_under(Problem) if "code" in vars(kind)}


def _classes_under(kind: type[Problem]) -> Iterator[type[Problem]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _classes_under(inner)


@dataclass
class FieldErrors:
    """Collect field errors, so that one answer reports all of them."""

    found: list[FieldError] = field(default_factory=list)

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Add one error."""
        self.found.append(FieldError(pointer, code, detail))

    def unknown(self, pointer: str, what: str) -> None:
        """Add a reference that cannot be resolved, in the same words whether the record is absent or not visible."""
        self.add(pointer, "not_found", f"There is no such {what}, or it is not yours to use.")

    def ends_after(self, start: date | None, end: date | None, pointer: str = "/valid_to") -> None:
        """Add an error if the end is not after the start."""
        if start and end and end <= start:
            self.add(pointer, "before_start", f"The end must lie after the start, {start}.")

    def raise_if_any(self) -> None:
        """Raise `Invalid` with all errors, if there are any."""
        if self.found:
            raise Invalid(errors=tuple(self.found))
