"""Proves the caller of a partners' path, and reads what its headers ask for."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from convenor.http.request_context import RequestContext
from convenor.problems import FieldError, Invalid, NotAcceptable, Unauthenticated

_ACCEPTABLE = re.compile(rb"\*/\*|application/(\*|([a-z-]+\+)?json|x-ndjson)")


class AuthenticationMiddleware:
    """Adds the caller and its purpose to the context."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Unauthenticated: There is no bearer token, or it is not valid.
            Invalid: The purpose is none of the agreement's.
            NotAcceptable: The caller takes no JSON.
        """
        if scope["type"] == "http":
            context = RequestContext.of(scope)
            if context.policy.for_partners:
                await _authenticate(context)
                _read_purpose(context)
                accept = context.headers.get(b"accept")
                if accept and not _ACCEPTABLE.search(accept.lower()):
                    raise NotAcceptable
        await self.app(scope, receive, send)


async def _authenticate(context: RequestContext) -> None:
    """Verify the bearer token (RFC 6750 section 2.1)."""
    scheme, _, token = context.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="convenor"'})
    context.principal = await context.services.verifier.verify(token.strip())


def _read_purpose(context: RequestContext) -> None:
    given = context.headers.get(b"x-purpose")
    if given is None:
        return
    known = {purpose.encode(): purpose for purpose in context.caller.purposes}
    if given not in known:
        listed = "; ".join(context.caller.purposes)
        raise Invalid(
            errors=(FieldError("/headers/x-purpose", "purpose", f"Your agreement's purposes are: {listed}."),)
        )
    context.purpose = known[given]
