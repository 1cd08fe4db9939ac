"""Bounds the body of a request: its size, its time, and no content coding; and what all bodies hold in memory."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.http.request_context import RequestContext
from convenor.problems import Problem, TooLarge, TooSlow, Unavailable, WrongContentEncoding
from convenor.request_limits import BODY_SECONDS, BULK_PART, MAX_BODY, MAX_BULK, MAX_HELD, UNCOUNTED


class _Memory:
    """The memory of one worker for bodies that it reads whole.

    Attributes:
        held: Bytes of the requests at work.
    """

    held = 0


class BodyMiddleware:
    """Refuses bodies that are too large, too slow, in a content coding, or too many at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._memory = _Memory()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            WrongContentEncoding: The body is encoded.
            TooLarge: The body is too large.
            TooSlow: The body does not arrive in time.
            Unavailable: The bodies of this worker hold too much memory.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = RequestContext.of(scope)
        headers = context.headers
        if b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0":
            # There is no body (RFC 9112 section 6.3).
            await self.app(scope, receive, send)
            return
        _refuse_encoded(scope)
        body, started = _BoundedBody(receive, self._memory, bulk=context.policy.bulk), False
        if int(headers.get(b"content-length", b"0")) > body.limit:
            raise body.too_large()

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            # Whoever reads a body turns what it raises into an answer of its own; the reason is named here.
            if body.refusal is None or started:
                started = True
                await send(message)

        try:
            await self.app(scope, body.receive, send_unless_refused)
        except Exception:
            if body.refusal is None or started:
                raise
        finally:
            body.release()
        if body.refusal is not None and not started:
            raise body.refusal


class _BoundedBody:
    """Receives a body, and remembers why it was refused."""

    def __init__(self, receive: Receive, memory: _Memory, *, bulk: bool) -> None:
        self.limit = MAX_BULK if bulk else MAX_BODY
        self.refusal: Problem | None = None
        self._receive, self._memory, self._bulk = receive, memory, bulk
        self._size, self._held, self._more = 0, 0, True
        self._loop = asyncio.get_running_loop()
        self._renew()

    def too_large(self) -> TooLarge:
        """Return the refusal of a body beyond the limit."""
        return TooLarge(f"The body has more than {self.limit:,} bytes, which is the most that this address takes.")

    async def receive(self) -> Message:
        """Return the next message of the request.

        Raises:
            TooLarge: The body is too large.
            TooSlow: The body does not arrive in time.
            Unavailable: The bodies of this worker hold too much memory.
        """
        try:
            # After its end, what is waited for is the end of the connection.
            async with asyncio.timeout_at(self._deadline if self._more else None):
                message = await self._receive()
        except TimeoutError:
            self.refusal = TooSlow()
            raise self.refusal from None
        self._more = message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self.limit:
            self.refusal = self.too_large()
            raise self.refusal
        if not self._bulk:
            self._hold()
        elif self._size >= self._renewed_at:
            self._renew()
        return message

    def release(self) -> None:
        """Let other bodies have the memory of this one, whose request has ended."""
        self._memory.held -= self._held
        self._held = 0

    def _hold(self) -> None:
        more = max(self._size - UNCOUNTED, 0) - self._held
        if self._memory.held + more > MAX_HELD:
            self.refusal = Unavailable("Too many long bodies are arriving already; nothing was stored.")
            raise self.refusal
        self._memory.held += more
        self._held += more

    def _renew(self) -> None:
        self._deadline, self._renewed_at = self._loop.time() + BODY_SECONDS, self._size + BULK_PART


def _refuse_encoded(scope: Scope) -> None:
    """Refuse a body in a content coding, which nothing here would decode (RFC 9110 section 8.4)."""
    given = b",".join(value for name, value in scope["headers"] if name == b"content-encoding").lower().split(b",")
    if not {coding.strip() for coding in given} <= {b"", b"identity"}:
        raise WrongContentEncoding
