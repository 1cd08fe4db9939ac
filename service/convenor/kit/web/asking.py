"""Questions whose answer is no record of a resource: who may ask, and what the audit hears."""

from dataclasses import dataclass
from typing import Any

from fastapi import Depends
from starlette.requests import Request

from convenor.kit.principal import Principal
from convenor.kit.web.operation import Operation
from convenor.kit.web.problems import unknown_parameters


class Asked:
    """A question that its caller may ask."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self.principal, self.readers = principal, request.app.state.readers
        self._unknown = unknown_parameters(request)

    def refuse_unknown(self) -> None:
        """Refuses what is not declared or comes twice. Where another parameter is wrong, its fault comes with them."""
        self._unknown.refuse()


@dataclass(frozen=True)
class AskOperation(Operation):
    """Such a question."""

    async def __call__(self, request: Request) -> Asked:
        """Lets the caller ask."""
        return Asked(request, self.authorise(request))


def Asking(scope: str, action: str) -> Any:  # noqa: N802 - reads as the declaration that it is
    """The operation as a parameter's default: `asked: Asked = Asking(...)`."""
    return Depends(AskOperation(scope, action))
