"""Operations: what a route asks of its caller, declared once for the request, the contract and GraphQL.

Each kind of operation stands beside what it gives the route; as a callable it is the route's FastAPI dependency.
"""

from dataclasses import dataclass, field, replace

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute

from convenor.http.request_context import RequestContext
from convenor.problems import (
    AgreementOver,
    Invalid,
    NotAcceptable,
    Problem,
    ScopeMissing,
    Unauthenticated,
    Unavailable,
    Unexpected,
    Unreadable,
)


@dataclass(frozen=True)
class Operation:
    """What a route does.

    Args:
        scope: What the token must carry; empty where any token will do.
        action: `resource:action` for the audit.
        problems: What its rules can end in, beside what any operation of this kind can.
    """

    scope: str
    action: str
    problems: tuple[type[Problem], ...] = field(default=(), kw_only=True)

    @property
    def ends_in(self) -> frozenset[type[Problem]]:
        """The problems that a call can end in."""
        scope = [ScopeMissing] if self.scope else []
        any_call = (Unauthenticated, AgreementOver, NotAcceptable, Unreadable, Invalid, Unexpected, Unavailable)
        return frozenset([*any_call, *scope, *self.problems])

    def authorise(self, request: Request) -> RequestContext:
        """Return the context of the request, with the action, if the caller's token carries the scope.

        Raises:
            Unauthenticated: Nobody has proved the caller.
            ScopeMissing: The token lacks the scope.
        """
        context = replace(RequestContext.of(request), action=self.action).enter(request.scope)
        if self.scope and self.scope not in context.caller.scopes:
            raise ScopeMissing(self.scope, context.caller.role)
        return context


def declared(route: BaseRoute) -> Operation | None:
    """Return the operation that a route depends on, if there is one."""
    if not isinstance(route, APIRoute):
        return None
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Operation):
            return dependency.call
    return None
