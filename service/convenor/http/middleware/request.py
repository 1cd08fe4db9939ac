"""The edge: what holds for every request, as one pure ASGI middleware.

Request ids, size and time limits, who is calling, and the audit: the answer to an audited request is held back until
its event is durable. It knows no route and no resource.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.audit.writer import AuditDraft, AuditWriter
from convenor.database.ids import uuid7
from convenor.http.exception_handlers import problem_of, render
from convenor.problems import (
    FieldError,
    Invalid,
    NoSuchPath,
    NotAcceptable,
    Problem,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unreadable,
    WrongContentEncoding,
)
from convenor.security.principal import Principal

MAX_BODY = 1_000_000
MAX_BULK = 100_000_000
REQUEST_SECONDS = 30
BULK_SECONDS = 600
EVENT_SECONDS = 1
"""How long an answer that says the service is unavailable waits for its own event."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,100}")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]*)?")
"""A host and perhaps a port (RFC 9110 section 7.2, RFC 3986 section 3.2)."""
_PURPOSE = re.compile(r"[\x20-\x7e]{1,200}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
]
_NO_STORE = (b"cache-control", b"no-store")


class Verifies(Protocol):
    """What turns an access token into who is calling."""

    async def verify(self, token: str) -> Principal:
        """The caller.

        Raises:
            Problem: when the token is no good, or the access under it has ended.
        """
        ...


@dataclass(frozen=True)
class Paths:
    """What holds for which paths; each but `shared` is how they begin.

    Args:
        partners: asked with a token, and audited.
        shared: one path that is a page to a browser, and a partners' one to anybody else.
        tokens: where a token is asked for: audited, with what the door says.
        bulk: of the partners', those that take large bodies and more time.
    """

    partners: str
    shared: str
    tokens: str
    bulk: str


class RequestMiddleware:
    """Wraps the application. `app.state` must hold `verifier`, `audit_writer` and `issuer` once it serves."""

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        self.app, self.paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _RequestRun(self.paths, scope, receive, send).run(self.app)


class _RequestRun:
    """One request and its answer."""

    def __init__(self, paths: Paths, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        path = scope["path"]
        page = scope["method"] in ("GET", "HEAD") and b"text/html" in self.headers.get(b"accept", b"")
        self.for_partners = path.startswith(paths.partners) or (path == paths.shared and not page)
        self.audited = self.for_partners or path.startswith(paths.tokens)
        self.bulk = path.startswith(paths.bulk)
        self.read, self.started, self.answering = 0, False, False
        self.too_large: TooLarge | None = None
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given if _SANE_ID.fullmatch(given) else str(uuid7()).encode()
        client = scope.get("client")
        self.note = AuditDraft(self.request_id.decode(), client[0] if client else None)
        scope.setdefault("state", {})["note"] = self.note

    async def run(self, app: ASGIApp) -> None:
        """Lets the request through, or answers in its place."""
        try:
            async with asyncio.timeout(BULK_SECONDS if self.bulk else REQUEST_SECONDS):
                self._refuse_wrong_host()
                if "\x00" in self.scope["path"]:
                    raise NoSuchPath
                if self.for_partners:
                    self.scope["state"]["principal"] = await self._authenticate()
                    self._refuse_unacceptable()
                self._refuse_encoded()
                self._refuse_too_large(int(self.headers.get(b"content-length", b"0")))
                await app(self.scope, self._receive, self._send)
        except Exception as error:
            if self.started:
                raise
            await self._answer(self.too_large or problem_of(error, self.note.request_id))

    def _values(self, name: bytes) -> list[bytes]:
        """The values of a header, line by line."""
        return [value.strip() for found, value in self.scope["headers"] if found == name]

    def _refuse_wrong_host(self) -> None:
        """Refuse a request without a `Host`, with several or with a malformed one (RFC 9112 section 3.2)."""
        hosts = self._values(b"host")
        if not hosts and self.scope["http_version"] == "1.0":
            return
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            raise Unreadable("Send exactly one `Host` header: a name or an address, and perhaps a port.")

    def _refuse_encoded(self) -> None:
        """Refuse a body in a content coding, which nothing here would decode (RFC 9110 section 8.4)."""
        if b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0":
            codings = b",".join(self._values(b"content-encoding")).lower().split(b",")
            if not {coding.strip() for coding in codings} <= {b"", b"identity"}:
                raise WrongContentEncoding

    async def _authenticate(self) -> Principal:
        scheme, _, token = self.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="convenor"'})
        verifier: Verifies = self.scope["app"].state.verifier
        principal = await verifier.verify(token.strip())
        self.note.principal = principal
        purpose = self.headers.get(b"x-purpose")
        if purpose is not None:
            self.note.purpose = purpose.decode("latin-1")
            if not _PURPOSE.fullmatch(self.note.purpose):
                self.note.purpose = None
                raise Invalid(
                    errors=(FieldError("/headers/x-purpose", "purpose", "1 to 200 visible ASCII characters."),)
                )
        return principal

    def _refuse_unacceptable(self) -> None:
        accept = self.headers.get(b"accept")
        if accept and not re.search(rb"\*/\*|application/(\*|([a-z-]+\+)?json|x-ndjson)", accept.lower()):
            raise NotAcceptable

    def _refuse_too_large(self, size: int) -> None:
        limit = MAX_BULK if self.bulk else MAX_BODY
        if size > limit:
            self.too_large = TooLarge(
                f"The body has more than {limit:,} bytes, which is the most that this address takes."
            )
            raise self.too_large

    async def _receive(self) -> Message:
        message = await self.receive()
        self.read += len(message.get("body", b""))
        self._refuse_too_large(self.read)
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # Whoever reads a body turns what it raises into an answer of its own; the size is ours to name.
            if self.too_large and not self.answering:
                raise self.too_large
            if self.audited and not self.note.written:
                await self._write_event(message["status"])
            self.started = True
            message["headers"] = [*message["headers"], *self._own_headers(message["headers"])]
        await self.send(message)

    async def _write_event(self, status: int) -> None:
        self._hear_door()
        writer: AuditWriter = self.scope["app"].state.audit_writer
        await writer.write(self.note, status)
        self.note.written = True

    def _hear_door(self) -> None:
        """Takes over what the door says of a request for a token: it knows no audit."""
        said = self.scope["state"].get("audit")
        if said:
            self.note.action, self.note.client_id, self.note.areas = said["action"], said["client_id"], said["areas"]

    async def _answer(self, problem: Problem) -> None:
        self.answering = True
        self.note.problem = problem.code
        state = self.scope["app"].state
        response = render(problem, self.note.request_id, state.issuer)
        if isinstance(problem, Unavailable) and self.audited:
            # Its event may be the very thing that cannot be written; it carries no data, so it leaves all the same.
            with suppress(Exception):
                async with asyncio.timeout(EVENT_SECONDS):
                    await self._write_event(problem.status)
            self.note.written = True
        try:
            await response(self.scope, self.receive, self._send)
        except Exception as error:
            if self.started:
                raise
            self.note.written = True
            failed = problem_of(error, self.note.request_id)
            await render(failed, self.note.request_id, state.issuer)(self.scope, self.receive, self._send)

    def _own_headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names: Mapping[bytes, Any] = dict(given)
        own = [(b"x-request-id", self.request_id), *(pair for pair in _HEADERS if pair[0] not in names)]
        correlation = self.headers.get(b"x-correlation-id", b"")
        if _SANE_ID.fullmatch(correlation):
            own.append((b"x-correlation-id", correlation))
        if self.for_partners and b"cache-control" not in names:
            own.append(_NO_STORE)
        return own
