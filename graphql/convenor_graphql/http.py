"""Serve `/graphql` over HTTP: read the request, and choose the media type and the status of the answer.

Source: GraphQL over HTTP (GraphQL Foundation, working draft), sections 5 to 7.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import ArgumentNode, GraphQLError, OperationDefinitionNode, OperationType, Visitor, visit
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convenor.audit.actions import register_actions
from convenor.audit.record import AuditRecord
from convenor.http.exception_handlers import problem_of
from convenor.http.json_body import read_json
from convenor.http.operation import Operation
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.problems import Problem, Unavailable, Unreadable, WrongMediaType
from convenor.read_model.query_string import read_pairs, refuse_identifiers
from convenor_graphql.executor import Call, execute, introspect
from convenor_graphql.explorer import show_explorer
from convenor_graphql.limits import Document, coerce_variables, read_document
from convenor_graphql.planner import IntrospectionField, PlannedSelection, plan_selection
from convenor_graphql.problems import (
    BatchRefused,
    MutationByGet,
    QueryInvalid,
    QueryUnreadable,
    errors_of,
)
from convenor_graphql.schema import GraphQLApi

PATH = "/graphql"
OPERATION = Operation("", "graphql:query")
register_actions(OPERATION.actions)
"""A request as a whole; each resource and each mutation needs its own scope."""
GRAPHQL, JSON = "application/graphql-response+json", "application/json"

_CACHED_REQUESTS, _CACHED_DOCUMENTS, _CACHED_CHARACTERS = 256, 128, 4_000
_CACHED_OF_SCHEMA = 4
"""Requests about the schema, which are cached with their large answers."""


@dataclass(frozen=True)
class GraphQLRequest:
    """The parameters of one request."""

    query: str
    operation_name: str | None
    variables: str
    """JSON, so that equal requests have equal keys in the cache."""

    @property
    def is_plain(self) -> bool:
        """Whether it is short and holds no text, which could be a pupil's name or number."""
        values = json.loads(self.variables).values()
        return _is_plain(self.query) and all(isinstance(value, int | float | None) for value in values)


@dataclass(frozen=True)
class PreparedRequest:
    """The part of a request that does not depend on its caller."""

    operation: OperationDefinitionNode
    selected: PlannedSelection
    meta: Mapping[str, bytes]


class GraphQLEndpoint:
    """Answer `/graphql`."""

    def __init__(self, api: GraphQLApi) -> None:
        self.api = api
        self._document = lru_cache(maxsize=_CACHED_DOCUMENTS)(self._read)
        self._cached = lru_cache(maxsize=_CACHED_REQUESTS)(self._prepare)
        self._cached_of_schema = lru_cache(maxsize=_CACHED_OF_SCHEMA)(self._prepare)

    @property
    def route(self) -> Route:
        """Return the route. The contract of REST leaves it out, because GraphQL has its own in `schema.graphql`."""
        return Route(PATH, self.respond, methods=["GET", "POST"], include_in_schema=False)

    async def respond(self, request: Request) -> Response:
        """Answer a request. A browser, which needs no token here, gets the explorer."""
        if RequestContext.of(request).principal is None:
            return show_explorer()
        context = OPERATION.authorise(request)
        media = media_of(request.headers.get("accept", ""))
        try:
            body = await request.body()
            by_post = request.method == "POST"
            parameters = _read_post(request, body) if by_post else _read_get(request)
            if not by_post:
                self._refuse_identifiers(parameters)
            prepared = self.prepare(parameters)
            if not by_post and prepared.operation.operation is OperationType.MUTATION:
                raise MutationByGet
            result = await execute(Call(context, body), prepared.selected, prepared.meta)
        except Exception as error:
            problem = problem_of(error, context.request_id)
            if isinstance(problem, Unavailable):
                raise problem from error
            return _refused(problem, context, media)
        return AuditedResponse(result.as_json(), media_type=media, audit=result.audit)

    def prepare(self, parameters: GraphQLRequest) -> PreparedRequest:
        """Prepare a request, from the cache if it holds nothing that could be about a pupil."""
        if not parameters.is_plain:
            return self._prepare(parameters)
        cached = self._cached_of_schema if "__schema" in parameters.query else self._cached
        return cached(parameters)

    def _read(self, text: str) -> Document:
        return read_document(self.api.types, text)

    def _document_of(self, parameters: GraphQLRequest) -> Document:
        return (self._document if _is_plain(parameters.query) else self._read)(parameters.query)

    def _refuse_identifiers(self, parameters: GraphQLRequest) -> None:
        """Refuse a pupil's number in the address, be it in a variable, in an argument or in one that is skipped.

        Raises:
            IdentifierInAddress: the request holds one.
        """
        refuse_identifiers(json.loads(parameters.variables))
        arguments = _Arguments()
        visit(self._document_of(parameters).node, arguments)
        refuse_identifiers(arguments.names)

    def _prepare(self, parameters: GraphQLRequest) -> PreparedRequest:
        document = self._document_of(parameters)
        operation = document.operation(parameters.operation_name)
        given = json.loads(parameters.variables)
        try:
            variables = coerce_variables(self.api.types, operation, given)
            selected = plan_selection(self.api, document, operation, variables)
        except GraphQLError as error:
            raise QueryInvalid([error]) from error
        meta = [item for item in selected.fields if isinstance(item, IntrospectionField)]
        answers = introspect(self.api, document, operation, given, meta) if meta else {}
        return PreparedRequest(operation, selected, answers)


class _Arguments(Visitor):
    """Gathers the names of a document's arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_place: Any) -> None:
        self.names.add(node.name.value)


def media_of(accept: str) -> str:
    """Return the media type of the answer: the one that the client prefers, or `application/json` if it names neither.

    A client that names none may be an old one, which supports no other.

    Source: RFC 9110, section 12.5.1.
    """
    best, found = 0.0, JSON
    for choice in accept.split(","):
        name, _, parameters = choice.partition(";")
        media, weight = name.strip().lower(), _weight(parameters)
        if media in (GRAPHQL, JSON) and weight > best:
            best, found = weight, media
    return found


def _weight(parameters: str) -> float:
    weight = re.search(r"\bq=([01](?:\.\d{0,3})?)\s*(?:;|$)", parameters)
    return float(weight[1]) if weight else 1.0


def _read_get(request: Request) -> GraphQLRequest:
    try:
        pairs = read_pairs(request.scope["query_string"])
    except Unreadable as error:
        raise QueryUnreadable(error.detail) from error
    given: dict[str, Any] = dict(pairs)
    refuse_identifiers(given)
    if len(given) != len(pairs):
        raise QueryUnreadable("A parameter is repeated.")
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _json(given[name].encode())
    return _request_of(given)


def _read_post(request: Request, body: bytes) -> GraphQLRequest:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON:
        raise WrongMediaType("Send application/json.")
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise WrongMediaType("Send UTF-8.")
    return _request_of(_json(body))


def _json(text: bytes) -> Any:
    try:
        return read_json(text)
    except Unreadable as error:
        raise QueryUnreadable(error.detail) from error


def _request_of(given: Any) -> GraphQLRequest:
    if isinstance(given, list):
        raise BatchRefused
    if not isinstance(given, dict):
        raise QueryUnreadable
    for name in given:
        if name not in ("query", "operationName", "variables", "extensions"):
            raise QueryUnreadable(f"There is no parameter `{name[:63]}`.")
    query, name = given.get("query"), given.get("operationName")
    variables, extensions = given.get("variables"), given.get("extensions")
    if not isinstance(query, str) or not isinstance(name, str | None):
        raise QueryUnreadable
    if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None):
        raise QueryUnreadable("`variables` and `extensions` are objects.")
    return GraphQLRequest(query, name or None, json.dumps(variables or {}))


def _is_plain(query: str) -> bool:
    return '"' not in query and len(query) <= _CACHED_CHARACTERS


def _refused(problem: Problem, context: RequestContext, media: str) -> AuditedResponse:
    # For a client that supports application/json only, 200 means that the answer is GraphQL, with or without errors.
    status = 200 if media == JSON and isinstance(problem, QueryInvalid) else problem.status
    body = json.dumps({"errors": errors_of(problem, context.services.issuer)})
    record = AuditRecord(context.action, problem=problem.code, status=problem.status)
    return AuditedResponse(body, status, dict(problem.headers), media, audit=record)
