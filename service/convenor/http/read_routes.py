"""Routes made from declarations: a list, a record, and the lists under a record's path.

They take no FastAPI parameters. The query string is read against the declaration, one statement runs, and its bytes
are the answer. The contract documents them from the declaration, too (`http/openapi`).
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, WithJsonSchema, create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from convenor.audit.record import AuditRecord
from convenor.domain_types.names import words
from convenor.http.json_body import GuardedRoute
from convenor.http.operation import Operation, declared
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.problems import AmbiguousKey
from convenor.read_model.execute import Answer, read_list, read_one
from convenor.read_model.list_query import parse_fields, parse_query
from convenor.read_model.resource import Resource


@dataclass(frozen=True)
class Reading:
    """What a route reads.

    Attributes:
        resource: What is read.
        many: Whether the answer is a page.
        under: For a list under a record's path: the resource of that record.
        relation: For such a list: the relation that leads to it.
    """

    resource: Resource
    many: bool
    under: Resource | None = None
    relation: str | None = None

    @property
    def operation(self) -> Operation:
        """What the route asks of its caller."""
        named = self.under if self.many else self.resource
        problems = (AmbiguousKey,) if named and named.natural_key and named.of_area else ()
        action = f"{self.resource.name}:{'list' if self.many else 'read'}"
        return Operation(self.resource.read_scope, action, problems=problems)


class ReadRoute(APIRoute):
    """A route that reads what a declaration says. It depends on nothing, so FastAPI solves nothing for it."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any) -> None:
        assert isinstance(endpoint, _Endpoint), "`ResourceRouter` makes these routes"
        self.reading, self.operation = endpoint.reading, endpoint.operation
        self.read: Callable[[Request], Coroutine[Any, Any, Response]] = endpoint.__call__
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint."""
        return self.read


@cache
def page_of(resource: Resource) -> type[BaseModel]:
    """Make the model of a page of a resource."""
    many = words(resource.name)
    fields: dict[str, Any] = {
        "data": (list[resource.read], Field(description=f"The {many}, in the order of `sort`.")),  # type: ignore[name-defined]
        "next": (
            Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})],
            Field(description="The cursor of the next page; null on the last."),
        ),
        "count": (
            int,
            Field(
                default_factory=int,
                ge=0,
                description="With `count=true`: how many there are in all.",
            ),
        ),
    }
    name = resource.read.__name__.removesuffix("Read") + "Page"
    return create_model(name, __doc__=f"A page of {many}.", **fields)


@dataclass(frozen=True)
class Tag:
    """A section of the documentation, with what it is about."""

    name: str
    description: str


def operation_of(route: BaseRoute) -> Operation | None:
    """Return what a route asks of its caller; None where it asks for no token."""
    return route.operation if isinstance(route, ReadRoute) else declared(route)


class ResourceRouter(APIRouter):
    """The routes of one feature: reading routes from its declarations, and whatever else is decorated."""

    def __init__(self, tag: Tag) -> None:
        super().__init__(tags=[tag.name], route_class=GuardedRoute)
        self.tag = tag

    def add_list(self, path: str, resource: Resource) -> None:
        """Add `GET path`: a page of a resource."""
        endpoint = _Endpoint(Reading(resource, many=True))
        self._add(path, endpoint, f"list_{resource.name}", page_of(resource))

    def add_record(self, path: str, resource: Resource) -> None:
        """Add `GET path/{name}`: one record, by its id or natural key."""
        endpoint = _Endpoint(Reading(resource, many=False))
        self._add(path, endpoint, f"read_{resource.singular}", resource.read)

    def add_sublist(self, path: str, parent: Resource, relation: str, resource: Resource) -> None:
        """Add `GET path/{name}/relation`: the records that belong to one."""
        endpoint = _Endpoint(Reading(resource, many=True, under=parent, relation=relation))
        self._add(path, endpoint, f"list_{relation}_of_{parent.singular}", page_of(resource))

    def _add(self, path: str, endpoint: "_Endpoint", name: str, response_model: type[BaseModel]) -> None:
        self.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            name=name,
            operation_id=name,
            response_model=response_model,
            route_class_override=ReadRoute,
        )


class _Endpoint:
    """Answers one reading route."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self.operation = reading, reading.operation
        self._read = self._read_list if reading.many else self._read_record

    async def __call__(self, request: Request) -> Response:
        context = self.operation.authorise(request)
        answer, headers = await self._read(request, context)
        record = AuditRecord.showing(self.operation.action, answer)
        return AuditedResponse(answer.body, 200, headers, "application/json", audit=record)

    async def _read_list(self, request: Request, context: RequestContext) -> tuple[Answer, dict[str, str]]:
        reading = self.reading
        query = parse_query(reading.resource, request.scope["query_string"])
        under = None
        if reading.under and reading.relation:
            under = reading.under, reading.relation, _key(request)
        answer = await read_list(context.services.readers, context.caller, reading.resource, query, under)
        if answer.next is None:
            return answer, {}
        following = request.url.include_query_params(cursor=answer.next)
        return answer, {"Link": f'<{following.path}?{following.query}>; rel="next"'}

    async def _read_record(self, request: Request, context: RequestContext) -> tuple[Answer, dict[str, str]]:
        resource = self.reading.resource
        fields = parse_fields(resource, request.scope["query_string"])
        answer = await read_one(context.services.readers, context.caller, resource, _key(request), fields)
        return answer, {"ETag": f'"{answer.etag}"'} if answer.etag else {}


def _key(request: Request) -> str:
    """Return the one parameter of the path."""
    (key,) = request.path_params.values()
    return str(key)
