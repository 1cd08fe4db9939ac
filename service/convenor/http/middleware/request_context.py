"""Makes the context of a request, and names the request in its answer."""

import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.database.ids import uuid7
from convenor.http.request_context import PathPolicy, RequestContext
from convenor.http.services import AppServices

_ID = re.compile(rb"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""A UUID (RFC 9562 section 4): whatever else a caller sends could name a child, and would stand in audit and log."""


@dataclass(frozen=True)
class Paths:
    """Which policy holds for which paths. Each but `shared` is a prefix.

    Args:
        partners: A token is needed, and each request is audited.
        shared: One path that is a page to a browser, and a partners' path to anybody else.
        tokens: Tokens are issued here; audited.
        bulk: Of the partners' paths, those that take large bodies and more time.
    """

    partners: str
    shared: str
    tokens: str
    bulk: str

    def policy(self, scope: Scope, accept: bytes) -> PathPolicy:
        """Return what holds for a request."""
        path: str = scope["path"]
        page = path == self.shared and scope["method"] in ("GET", "HEAD") and b"text/html" in accept
        for_partners = path.startswith(self.partners) or (path == self.shared and not page)
        return PathPolicy(for_partners, for_partners or path.startswith(self.tokens), path.startswith(self.bulk))


class RequestContextMiddleware:
    """Makes the `RequestContext`."""

    def __init__(self, app: ASGIApp, paths: Paths) -> None:
        self.app, self.paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _ID.fullmatch(given) else str(uuid7()).encode()
        client = scope.get("client")
        RequestContext(
            services=AppServices.of(scope["app"]),
            policy=self.paths.policy(scope, headers.get(b"accept", b"")),
            headers=headers,
            request_id=request_id.decode(),
            address=client[0] if client else None,
        ).enter(scope)
        ids = [(b"x-request-id", request_id)]
        correlation = headers.get(b"x-correlation-id", b"")
        if _ID.fullmatch(correlation):
            ids.append((b"x-correlation-id", correlation))

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *ids]
            await send(message)

        await self.app(scope, receive, send_with_ids)
