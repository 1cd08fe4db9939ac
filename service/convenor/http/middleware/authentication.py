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
                # Entered at once, so that the event of a refused purpose names the caller.
                context = (await _authenticated(context)).enter(scope)
                _with_purpose(context).enter(scope)
                accept = context.headers.get(b"accept")
                if accept and not _ACCEPTABLE.search(accept.lower()):
                    raise NotAcceptable
        await self.app(scope, receive, send)


async def _authenticated(context: RequestContext) -> RequestContext:
    """Verify the bearer token (RFC 6750 section 2.1)."""
    scheme, _, token = context.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="convenor"'})
    return context._replace(principal=await context.services.verifier.verify(token.strip()))


def _with_purpose(context: RequestContext) -> RequestContext:
    """Read the purpose that the caller chose."""
    given = context.headers.get(b"x-purpose")
    if given is None:
        return context
    known = {purpose.encode(): purpose for purpose in context.caller.purposes}
    if given not in known:
        listed = "; ".join(context.caller.purposes)
        raise Invalid(
            errors=(FieldError("/headers/x-purpose", "purpose", f"Your agreement's purposes are: {listed}."),)
        )
    return context._replace(purpose=known[given])
