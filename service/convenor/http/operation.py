"""Declare what a route requires of its caller, once for the request, the contract and GraphQL.

Each kind of operation is defined with what it gives the route. As a callable, it is the route's FastAPI dependency.
"""

from dataclasses import dataclass, field

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute

from convenor.http.request_context import RequestContext
from convenor.problems import (
    AgreementOver,
    IdentifierInAddress,
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
        scope: The scope that the token needs; empty if any token will do.
        action: `resource:action` for the audit.
        problems: The problems of its rules, besides those of any operation of this kind.
    """

    scope: str
    action: str
    problems: tuple[type[Problem], ...] = field(default=(), kw_only=True)

    @property
    def actions(self) -> tuple[str, ...]:
        """Return every action that the audit may call it by."""
        return (self.action,)

    @property
    def ends_in(self) -> frozenset[type[Problem]]:
        """Return the problems that a call can end in."""
        scope = [ScopeMissing] if self.scope else []
        of_caller = (Unauthenticated, AgreementOver, NotAcceptable)
        of_call = (Unreadable, IdentifierInAddress, Invalid, Unexpected, Unavailable)
        return frozenset([*of_caller, *of_call, *scope, *self.problems])

    def authorise(self, request: Request) -> RequestContext:
        """Return the context of the request, with the action, if the caller's token carries the scope.

        Raises:
            Unauthenticated: The caller is not authenticated.
            ScopeMissing: The token lacks the scope.
        """
        context = RequestContext.of(request)._replace(action=self.action).enter(request.scope)
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
