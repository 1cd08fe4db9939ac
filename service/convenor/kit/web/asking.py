"""Questions whose answer is no record of a resource: who may ask, and what the audit hears."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from convenor.kit.errors import Invalid
from convenor.kit.principal import Principal
from convenor.kit.web.problems import unknown_parameters
from convenor.kit.web.reads import authorise


class Asked:
    """A question that its caller may ask."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self.principal, self.readers = principal, request.app.state.readers
        self._unknown = unknown_parameters(request)

    def refuse_unknown(self) -> None:
        """Refuses parameters that the route does not declare. Where one it does is wrong too, both are named."""
        if self._unknown:
            raise Invalid(faults=self._unknown)


def asking(scope: str, action: str) -> Callable[[Request], Asked]:
    """The dependency of such a route; an empty scope asks for no more than a token."""

    def dependency(request: Request) -> Asked:
        return Asked(request, authorise(request, scope, action))

    dependency.scope, dependency.action = scope, action  # type: ignore[attr-defined]
    return dependency


def Asking(scope: str, action: str) -> Any:  # noqa: N802 - reads as the declaration that it is
    """`asking` as a parameter's default: `asked: Asked = Asking(...)`."""
    return Depends(asking(scope, action))
