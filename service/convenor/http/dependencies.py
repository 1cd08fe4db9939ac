"""Questions whose answer is no record of a resource: who may ask, and what the audit hears."""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from convenor.http.exception_handlers import unknown_parameters
from convenor.http.operation import Operation
from convenor.security.principal import Principal


class ReadContext:
    """A question that its caller may ask."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self.principal, self.readers = principal, request.app.state.readers
        self._unknown = unknown_parameters(request)

    def refuse_unknown(self) -> None:
        """Refuses what is not declared or comes twice. Where another parameter is wrong, its fault comes with them."""
        self._unknown.raise_if_any()


@dataclass(frozen=True)
class ReadOperation(Operation):
    """Such a question."""

    async def __call__(self, request: Request) -> ReadContext:
        """Lets the caller ask."""
        return ReadContext(request, self.authorise(request))


def reads(scope: str, action: str) -> Any:
    """The operation as a parameter's default: `asked: Asked = Asking(...)`."""
    return Depends(ReadOperation(scope, action))
