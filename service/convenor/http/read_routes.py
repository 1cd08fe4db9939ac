"""Routes made from declarations: a list, a search, a record, and the lists under a record's path.

They take no FastAPI parameters. The query string is read against the declaration, one statement runs, and its bytes
are the answer. The contract documents them from the declaration, too (`http/openapi`).
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Optional

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError, WithJsonSchema, create_model, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from convenor.audit.record import AuditRecord
from convenor.domain_types.inputs import InputModel, NotNullable
from convenor.domain_types.names import words
from convenor.http.exception_handlers import error_at
from convenor.http.json_body import GuardedRoute, read_json, refuse_unreadable
from convenor.http.operation import Operation, declared
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.problems import AmbiguousKey, FieldErrors, TooLarge, WrongMediaType
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
        search: Whether a pupil's number in a body selects the page.
    """

    resource: Resource
    many: bool
    under: Resource | None = None
    relation: str | None = None
    search: bool = False

    @property
    def operation(self) -> Operation:
        """What the route asks of its caller."""
        if self.search:
            action = f"{self.resource.name}:search"
            return Operation(self.resource.read_scope, action, problems=(TooLarge, WrongMediaType))
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
    for filter_name, lookup in resource.lookups.items():
        about = f"With `{filter_name}=` only. {lookup.description}"
        fields[lookup.name] = list[lookup.read], Field(default_factory=list, description=about)  # type: ignore[name-defined]
    name = resource.read.__name__.removesuffix("Read") + "Page"
    return create_model(name, __doc__=f"A page of {many}.", **fields)


class Search(InputModel):
    """The body of a search: one identifier."""

    @model_validator(mode="after")
    def _names_one(self) -> "Search":
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError(
                "one_identifier", "Send exactly one of: {known}.", {"known": ", ".join(type(self).model_fields)}
            )
        return self


@cache
def search_of(resource: Resource) -> type[Search]:
    """Make the body of a search for records of a resource."""
    fields: dict[str, Any] = {
        name: (
            Annotated[Optional[resource.filters[name].type_], NotNullable],  # noqa: UP045 - the type is a value
            Field(None, description=f"{resource.filters[name].description} Only for roles that see this field."),
        )
        for name in resource.identifiers
    }
    return create_model(
        resource.read.__name__.removesuffix("Read") + "Search",
        __base__=Search,
        __doc__="One identifier, and nothing else.",
        __cls_kwargs__={
            "resolved": resource.identifiers,
            "json_schema_extra": {"minProperties": 1, "maxProperties": 1},
        },
        **fields,
    )


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

    def add_search(self, path: str, resource: Resource) -> None:
        """Add `POST path`: a page of a resource, selected by an identifier that must not stand in an address."""
        endpoint = _Endpoint(Reading(resource, many=True, search=True))
        self._add(path, endpoint, f"search_{resource.name}", page_of(resource))

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
            methods=["POST" if endpoint.reading.search else "GET"],
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
        errors = FieldErrors()
        searched = await _searched(request, reading.resource, errors) if reading.search else {}
        query = parse_query(reading.resource, request.scope["query_string"], searched, errors)
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


async def _searched(request: Request, resource: Resource, errors: FieldErrors) -> dict[str, Any]:
    """Read the body of a search, and add what is wrong with it to the errors."""
    refuse_unreadable(request)
    given = read_json(await request.body())
    try:
        return search_of(resource).model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        errors.found += [error_at(found, found["loc"], given) for found in error.errors()]
        return {}


def _key(request: Request) -> str:
    """Return the one parameter of the path."""
    (key,) = request.path_params.values()
    return str(key)
