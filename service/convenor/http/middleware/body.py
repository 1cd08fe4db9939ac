"""Bounds the body of a request: its size, and no content coding."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.http.request_context import RequestContext
from convenor.problems import TooLarge, WrongContentEncoding

MAX_BODY = 1_000_000
MAX_BULK = 100_000_000


class BodyMiddleware:
    """Refuses bodies that are too large, or in a content coding."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            WrongContentEncoding: The body is encoded.
            TooLarge: The body is too large.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        _refuse_encoded(scope, headers)
        limit = MAX_BULK if RequestContext.of(scope).policy.bulk else MAX_BODY
        refusal = TooLarge(f"The body has more than {limit:,} bytes, which is the most that this address takes.")
        if int(headers.get(b"content-length", b"0")) > limit:
            raise refusal
        size, started = 0, False

        async def receive_bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise refusal
            return message

        async def send_unless_too_large(message: Message) -> None:
            nonlocal started
            # Whoever reads a body turns what it raises into an answer of its own; the size is named here.
            if size <= limit or started:
                started = True
                await send(message)

        try:
            await self.app(scope, receive_bounded, send_unless_too_large)
        except Exception:
            if size <= limit or started:
                raise
        if size > limit and not started:
            raise refusal


def _refuse_encoded(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Refuse a body in a content coding, which nothing here would decode (RFC 9110 section 8.4)."""
    if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
        given = b",".join(value for name, value in scope["headers"] if name == b"content-encoding").lower().split(b",")
        if not {coding.strip() for coding in given} <= {b"", b"identity"}:
            raise WrongContentEncoding
