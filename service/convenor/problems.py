"""Problems: what can go wrong for a client, said once, with the way out. It knows no transport and no feature.

What only one feature can end in stands beside its rule.

A problem's class docstring is its default sentence; `cause`, `remedy` and `retry` fill the page `/problems/{code}`.
Source: RFC 9457.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with what was sent.

    `pointer` is a JSON pointer (RFC 6901) into the body; `/query/...` and `/headers/...` name parameters and headers.
    """

    pointer: str
    code: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """The fault as an entry of a problem's `errors`."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


@dataclass(frozen=True)
class Member:
    """What problems of one kind may hold beside what every problem holds.

    Args:
        name: of the member.
        takes: its type.
        says: what it is.
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
        self.detail = detail or (type(self).__doc__ or "").split("\n")[0]
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra or {}
        super().__init__(self.detail)


class Unreadable(Problem):
    """The body or the query string could not be read."""

    status, code, title = 400, "unreadable", "Unreadable request"
    cause = (
        "The body is not UTF-8 JSON (RFC 8259, RFC 7493), a parameter is not valid percent-encoded UTF-8, or the header"
        " `Host` is missing, repeated or malformed (RFC 9112)."
    )
    remedy = "Send well-formed UTF-8 and one `Host`; `detail` says what could not be read."


class IdempotencyKeyMissing(Problem):
    """Send an idempotency key: 1 to 255 visible ASCII characters, a new one for each new record."""

    status, code, title = 400, "idempotency_key_missing", "Idempotency key missing"
    cause = "The call creates something and has no usable key, so that a repeat could create it twice."
    remedy = (
        "Send a fresh key (a UUID does) with each new record, and the same key when you repeat a call: as the header"
        " `Idempotency-Key`, over GraphQL as the argument `idempotencyKey`."
    )


class Unauthenticated(Problem):
    """Send an access token: `Authorization: Bearer ...`, from `POST /oauth/token`."""

    status, code, title = 401, "unauthenticated", "Not authenticated"
    cause = "The access token is missing, malformed, past its five minutes, or was not issued by this service."
    remedy = "Get a token from `POST /oauth/token` and send it as `Authorization: Bearer`."
    retry = "Retry once with a new token."


class ScopeMissing(Problem):
    """The access token lacks the scope for this call."""

    status, code, title = 403, "scope_missing", "Scope missing"
    cause = "The call needs a scope that this token does not carry. `scope` names it."
    remedy = "Ask for the scope when you get the token; if your role does not have it, the call is not for your role."
    carries = (Member("scope", str, "the scope that the call needs."), Member("role", str, "the caller's role."))

    def __init__(self, scope: str, role: str) -> None:
        super().__init__(
            f"This call needs {scope}, which this token does not carry (role: {role}).",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            extra={"scope": scope, "role": role},
        )


class AgreementOver(Problem):
    """The data sharing agreement under which this client calls has ended."""

    status, code, title = 403, "agreement_ended", "Data sharing agreement ended"
    cause = "Access lasts as long as the data sharing agreement does."
    remedy = "Renew the agreement with the area's central team; access returns with it."


class NotFound(Problem):
    """There is no such record, or it is not yours to see."""

    status, code, title = 404, "not_found", "Not found"
    cause = "The record does not exist or is not shared with you: the answer is the same for both."
    remedy = "Check the identifier, and `GET /v1/me` for what you can reach."


class NoSuchPath(Problem):
    """There is nothing at this address."""

    status, code, title = 404, "no_such_path", "No such address"
    cause = "The path is not one of this service's."
    remedy = "See /docs for the addresses there are."


class MethodNotAllowed(Problem):
    """This address does not take this method; `Allow` names those that it takes."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"
    cause = "The path exists, the verb does not."
    remedy = "Use one of the methods in the `Allow` header."


class NotAcceptable(Problem):
    """This address answers in no form that `Accept` names."""

    status, code, title = 406, "not_acceptable", "Not acceptable"
    cause = "The `Accept` header leaves out every form that this address can answer in."
    remedy = "Leave `Accept` out, or include the form that the documentation names."


class IllegalTransition(Problem):
    """The record's state does not allow this step."""

    status, code, title = 409, "illegal_transition", "Illegal transition"
    cause = "There is no such step from the record's present state, or not for you. `legal` names those there are."
    remedy = "Read the record again and choose one of `legal`."
    carries = (
        Member("state", str, "the record's present state."),
        Member("legal", list[str], "the states that you can move the record to."),
    )

    def __init__(self, state: str, to: str, legal: list[str], detail: str | None = None) -> None:
        steps = ", ".join(legal) if legal else "none"
        super().__init__(
            detail or f"From {state} there is no step to {to} for you. Legal for you now: {steps}.",
            extra={"state": state, "legal": legal},
        )


class StateConflict(Problem):
    """The record's present state does not allow this."""

    status, code, title = 409, "state_conflict", "Conflict with the record's state"
    cause = "What you sent is well formed but does not fit the state that the record, or a neighbouring one, is in."
    remedy = "Read the record again; `detail` says what stands in the way."


class AlreadyExists(Problem):
    """A record with this code or reference already exists."""

    status, code, title = 409, "already_exists", "Already exists"
    cause = "A code or reference of yours must be unique and is taken."
    remedy = "Use another code, or update the record that holds it."


class StillRunning(Problem):
    """The first call with this idempotency key is still running."""

    status, code, title = 409, "still_running", "Still running"
    cause = "A call with the same `Idempotency-Key` has been running for more than five seconds."
    remedy = "Wait as long as `Retry-After` says and repeat the call unchanged."
    retry = "Retry after `Retry-After` seconds, unchanged."


class Stale(Problem):
    """The record has changed since you read it."""

    status, code, title = 412, "stale", "Record changed meanwhile"
    cause = "`If-Match` holds an ETag that is not the record's present one."
    remedy = "Read the record again, look at what changed, and repeat with the new ETag."


class TooLarge(Problem):
    """The body is larger than this address takes."""

    status, code, title = 413, "too_large", "Body too large"
    cause = "Bodies may have 1 MB, bulk loads 100 MB and 200,000 lines."
    remedy = "Send less in one call; many records go through /v1/bulk."


class WrongMediaType(Problem):
    """This address does not take this Content-Type."""

    status, code, title = 415, "wrong_media_type", "Wrong Content-Type"
    cause = "The `Content-Type` is missing or not one that this address takes."
    remedy = "Send application/json, or application/x-ndjson to /v1/bulk."


class WrongContentEncoding(Problem):
    """This service takes no body with a Content-Encoding."""

    status, code, title = 415, "wrong_content_encoding", "Wrong Content-Encoding"
    cause = "The `Content-Encoding` header says that the body is compressed or otherwise encoded."
    remedy = "Send the body as it is, without `Content-Encoding`."

    def __init__(self) -> None:
        super().__init__(headers={"Accept-Encoding": "identity"})


class Invalid(Problem):
    """What was sent has faults; `errors` names every one."""

    status, code, title = 422, "invalid", "Faults in what was sent"
    cause = "One or more fields or parameters are wrong. Nothing was stored."
    remedy = "Mend everything that `errors` names and send it again."


class IdempotencyKeyReused(Problem):
    """This idempotency key was used with another body, or with other rights."""

    status, code, title = 422, "idempotency_key_reused", "Idempotency key reused"
    cause = "The key names an earlier call of yours with a different body, or when you could see something else."
    remedy = "Use a fresh key for a new record; repeat an old call with exactly its body."


class PreconditionMissing(Problem):
    """Send `If-Match` with the ETag of the record as you last read it."""

    status, code, title = 428, "precondition_missing", "If-Match missing"
    cause = "The call changes a record and must say which version of it you saw."
    remedy = "GET the record, and send its `ETag` as `If-Match`."


class Unavailable(Problem):
    """The service cannot answer just now."""

    status, code, title = 503, "unavailable", "Unavailable just now"
    cause = "The database is away or busy, or the request took longer than it may. A change may be stored or not."
    remedy = "Repeat the call after `Retry-After` seconds. With the same `Idempotency-Key`, nothing is stored twice."
    retry = "Retry after `Retry-After` seconds, unchanged."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


class Unexpected(Problem):
    """Something went wrong on our side; nothing was stored."""

    status, code, title = 500, "unexpected", "Unexpected fault"
    cause = "A fault of this service's own, recorded under the request id."
    remedy = "Report the `request_id` to whoever runs this service."
    retry = "Retrying may help; with the same `Idempotency-Key` nothing is stored twice."


def catalogue() -> dict[str, type[Problem]]:
    """Every kind of problem by its code; a class without a code of its own is of its parent's kind."""
    return {kind.code: kind for kind in _classes_under(Problem) if "code" in vars(kind)}


def _classes_under(kind: type[Problem]) -> Iterator[type[Problem]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _classes_under(inner)


@dataclass
class FieldErrors:
    """Collects faults of reference, so that a caller hears of all of them at once."""

    found: list[FieldError] = field(default_factory=list)

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Notes one fault."""
        self.found.append(FieldError(pointer, code, detail))

    def unknown(self, pointer: str, what: str) -> None:
        """Notes a reference to something that is absent or not the caller's to see: both read the same."""
        self.add(pointer, "not_found", f"There is no such {what}, or it is not yours to use.")

    def ends_after(self, start: date | None, end: date | None, pointer: str = "/valid_to") -> None:
        """Notes an end that does not lie after its start."""
        if start and end and end <= start:
            self.add(pointer, "before_start", f"The end must lie after the start, {start}.")

    def raise_if_any(self) -> None:
        """Raises `Invalid` with everything noted, if anything was."""
        if self.found:
            raise Invalid(errors=tuple(self.found))
