"""Adds the headers that protect a browser, and keeps partners' answers out of caches."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.http.request_context import RequestContext

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
_PARTNERS_HEADERS = [*_HEADERS, (b"cache-control", b"no-store")]


class SecurityHeadersMiddleware:
    """Adds each header that an answer does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = _PARTNERS_HEADERS if RequestContext.of(scope).policy.for_partners else _HEADERS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(header for header in added if header[0] not in own)]
            await send(message)

        await self.app(scope, receive, send_with_headers)
