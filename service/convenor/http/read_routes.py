"""Reading routes, made from declarations: a list, a record, and the lists under a record's path.

They are plain routes: query, plan, one statement, its bytes. What they take and give is documented by `contract`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convenor.audit.writer import AuditDraft
from convenor.http.operation import Operation
from convenor.read_model.execute import Answer, SelectionAnswer, read_list, read_one
from convenor.read_model.list_query import parse_fields, parse_query
from convenor.read_model.resource import Resource


@dataclass(frozen=True)
class Reading:
    """What a reading route reads, for the contract and for the table of rules in the tests."""

    resource: Resource
    many: bool
    under: Resource | None = None
    relation: str | None = None


class ReadRoute(Route):
    """A route that knows what it reads."""

    def __init__(self, path: str, endpoint: Any, reading: Reading, operation: Operation) -> None:
        super().__init__(path, endpoint, methods=["GET"])
        self.reading, self.operation = reading, operation
        self.read: Callable[[Request], Awaitable[Response]] = endpoint


def list_route(path: str, resource: Resource) -> ReadRoute:
    """`GET path`: a page of a resource."""
    operation = Operation(resource.read_scope, f"{resource.name}:list")

    async def endpoint(request: Request) -> Response:
        principal = operation.authorise(request)
        query = parse_query(resource, request.scope["query_string"])
        answer = await read_list(request.app.state.readers, principal, resource, query)
        return _leave(request, answer, _link(request, answer))

    return ReadRoute(path, endpoint, Reading(resource, many=True), operation)


def record_route(path: str, resource: Resource, parameter: str = "id") -> ReadRoute:
    """`GET path/{id}`: one record, by its id or natural key."""
    operation = Operation(resource.read_scope, f"{resource.name}:read")

    async def endpoint(request: Request) -> Response:
        principal = operation.authorise(request)
        fields = parse_fields(resource, request.scope["query_string"])
        key = request.path_params[parameter]
        answer = await read_one(request.app.state.readers, principal, resource, key, fields)
        return _leave(request, answer, {"ETag": f'"{answer.etag}"'} if answer.etag else {})

    return ReadRoute(path, endpoint, Reading(resource, many=False), operation)


def sublist_route(path: str, parent: Resource, relation: str, target: Resource, parameter: str = "id") -> ReadRoute:
    """`GET path/{id}/relation`: the records that hang on one."""
    operation = Operation(target.read_scope, f"{target.name}:list")

    async def endpoint(request: Request) -> Response:
        principal = operation.authorise(request)
        query = parse_query(target, request.scope["query_string"])
        under = (parent, relation, request.path_params[parameter])
        answer = await read_list(request.app.state.readers, principal, target, query, under)
        return _leave(request, answer, _link(request, answer))

    return ReadRoute(path, endpoint, Reading(target, many=True, under=parent, relation=relation), operation)


def note_answer(note: AuditDraft, answer: Answer | SelectionAnswer) -> None:
    """Tells the audit what an answer shows."""
    note.records, note.subjects = answer.ids, answer.subjects
    note.areas, note.subject_areas = answer.areas, answer.subject_areas


def _leave(request: Request, answer: Answer, headers: dict[str, str]) -> Response:
    note_answer(request.scope["state"]["note"], answer)
    return Response(answer.body, media_type="application/json", headers=headers)


def _link(request: Request, answer: Answer) -> dict[str, str]:
    if answer.next is None:
        return {}
    following = request.url.include_query_params(cursor=answer.next)
    return {"Link": f'<{following.path}?{following.query}>; rel="next"'}
