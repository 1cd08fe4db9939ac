"""Hold what is known of a request in one frozen value, which a middleware replaces when it learns more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.types import Scope

from convenor.audit.actions import UNKNOWN_ACTION
from convenor.audit.record import AuditSource
from convenor.http.services import AppServices
from convenor.problems import Unauthenticated
from convenor.security.principal import Principal

_KEY = "convenor.request_context"


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """What holds for the path of a request.

    Attributes:
        for_partners: A token is needed, and the answer is not to be stored by caches.
        audited: The request leaves an event.
        bulk: Large bodies and more time are allowed.
    """

    for_partners: bool
    audited: bool
    bulk: bool


class RequestContext(NamedTuple):
    """One request. A tuple, because a frozen dataclass takes several times as long to replace.

    Attributes:
        services: Of the worker that answers.
        policy: What holds for the path.
        headers: The last of each name.
        request_id: A UUID, sent by the caller or made here.
        address: From which the request came.
        principal: The caller; none where no token is needed, or until the token is verified.
        purpose: The purpose that the caller chose from its agreement's.
        action: Of the operation, once it is known.
    """

    services: AppServices
    policy: PathPolicy
    headers: Mapping[bytes, bytes]
    request_id: str
    address: str | None
    principal: Principal | None = None
    purpose: str | None = None
    action: str = UNKNOWN_ACTION

    @staticmethod
    def of(connection: Mapping[str, Any]) -> "RequestContext":
        """Return the context of a request, or of an ASGI scope."""
        context: RequestContext = connection[_KEY]
        return context

    def enter(self, scope: Scope) -> "RequestContext":
        """Make this the context of a scope."""
        scope[_KEY] = self
        return self

    @property
    def caller(self) -> Principal:
        """The principal, where one must be known.

        Raises:
            Unauthenticated: The caller is not authenticated.
        """
        if self.principal is None:
            raise Unauthenticated
        return self.principal

    @property
    def source(self) -> AuditSource:
        """Who sent the request, for the audit."""
        return AuditSource(self.request_id, self.address, self.principal, self.purpose)
