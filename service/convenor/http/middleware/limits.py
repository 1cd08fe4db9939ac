"""Refuses a request that names no host or is ambiguous, and ends one that takes too long."""

import asyncio
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from convenor.http.request_context import RequestContext
from convenor.problems import NoSuchPath, Unreadable

REQUEST_SECONDS = 30
BULK_SECONDS = 600

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]*)?")
"""A host and perhaps a port (RFC 9110 section 7.2, RFC 3986 section 3.2)."""


_SINGLE = (b"authorization", b"content-type", b"idempotency-key", b"x-purpose")
"""Headers that have one value."""


class LimitsMiddleware:
    """Bounds the time of a request, and refuses malformed hosts and paths."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            TimeoutError: It took too long.
            Unreadable: Its host is missing, repeated or malformed, or another header that has one value is repeated.
            NoSuchPath: Its path holds a NUL character.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        async with asyncio.timeout(BULK_SECONDS if RequestContext.of(scope).policy.bulk else REQUEST_SECONDS):
            _refuse_wrong_host(scope)
            _refuse_repeated(scope)
            if "\x00" in scope["path"]:
                raise NoSuchPath
            await self.app(scope, receive, send)


def _refuse_repeated(scope: Scope) -> None:
    """Refuse what would be read in one of several ways (RFC 9110 section 5.3)."""
    if len(RequestContext.of(scope).headers) == len(scope["headers"]):
        return
    names = [name for name, _ in scope["headers"]]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Unreadable(f"Send at most one `{name.decode().title()}` header.")


def _refuse_wrong_host(scope: Scope) -> None:
    """Refuse a request without a `Host`, with several or with a malformed one (RFC 9112 section 3.2)."""
    hosts = [value.strip() for name, value in scope["headers"] if name == b"host"]
    if not hosts and scope["http_version"] == "1.0":
        return
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise Unreadable("Send exactly one `Host` header: a name or an address, and perhaps a port.")
