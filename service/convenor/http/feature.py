"""A feature: one folder of the service, registered once by its `FEATURE`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.routing import Route

from convenor.database.pending_work import Task
from convenor.http.operation import Operation
from convenor.http.read_routes import ReadRoute, ResourceRouter, operation_of


@dataclass(frozen=True)
class Feature:
    """What a folder gives to the application.

    Args:
        router: Its routes, with the section of the documentation that they stand in.
        partner_writes: Whether partners write it, so that its changes are mutations of GraphQL, too.
        tasks: What does the work that its changes leave to be done after their commit, by kind.

    Raises:
        ValueError: One of its routes declares no operation, so that nothing would check its caller.
    """

    router: ResourceRouter
    partner_writes: bool = False
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for route in self.routes:
            if operation_of(route) is None:
                raise ValueError(f"{route.path} declares no operation: give it `reads(...)` or `writes(...)`.")

    @property
    def routes(self) -> list[Route]:
        """Its routes."""
        return [route for route in self.router.routes if isinstance(route, Route)]

    @property
    def reading_routes(self) -> list[ReadRoute]:
        """Those of its routes that are made from declarations."""
        return [route for route in self.routes if isinstance(route, ReadRoute)]

    @property
    def operations(self) -> list[Operation]:
        """What its routes ask of their callers."""
        return [operation for route in self.routes if (operation := operation_of(route))]

    @property
    def scopes(self) -> set[str]:
        """The scopes that its routes ask for."""
        return {operation.scope for operation in self.operations if operation.scope}
