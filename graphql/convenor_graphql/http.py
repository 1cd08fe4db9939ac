"""`/graphql` over HTTP: which request is meant, in which media type its answer goes, with which status.

Source: GraphQL over HTTP (GraphQL Foundation, working draft), sections 5 to 7.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convenor.audit.record import AuditRecord
from convenor.http.exception_handlers import problem_of
from convenor.http.json_body import read_json
from convenor.http.operation import Operation
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.problems import Problem, Unavailable, Unreadable, WrongMediaType
from convenor.read_model.query_string import read_pairs
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
"""A request as a whole; each resource and each mutation asks for its own scope."""
GRAPHQL, JSON = "application/graphql-response+json", "application/json"

_KEPT_REQUESTS, _KEPT_DOCUMENTS, _KEPT_CHARACTERS = 256, 128, 4_000
_KEPT_OF_SCHEMA = 4
"""Requests about the schema, which are kept with their large answers."""


@dataclass(frozen=True)
class GraphQLRequest:
    """The parameters of one request."""

    query: str
    operation_name: str | None
    variables: str
    """JSON, so that equal requests are known as such."""

    @property
    def is_plain(self) -> bool:
        """Whether it is short and holds no text of its sender's, who may have written a pupil's name or number."""
        values = json.loads(self.variables).values()
        return _is_plain(self.query) and all(isinstance(value, int | float | None) for value in values)


@dataclass(frozen=True)
class PreparedRequest:
    """A request, as far as it does not depend on its caller."""

    operation: OperationDefinitionNode
    selected: PlannedSelection
    meta: Mapping[str, bytes]


class GraphQLEndpoint:
    """Answers `/graphql`."""

    def __init__(self, api: GraphQLApi) -> None:
        self.api = api
        self._document = lru_cache(maxsize=_KEPT_DOCUMENTS)(self._read)
        self._kept = lru_cache(maxsize=_KEPT_REQUESTS)(self._prepare)
        self._kept_of_schema = lru_cache(maxsize=_KEPT_OF_SCHEMA)(self._prepare)

    @property
    def route(self) -> Route:
        """The route; the contract of REST leaves it out, since `schema.graphql` is its own."""
        return Route(PATH, self.respond, methods=["GET", "POST"], include_in_schema=False)

    async def respond(self, request: Request) -> Response:
        """Answer a request; a browser, which needs no token here, gets the explorer."""
        if RequestContext.of(request).principal is None:
            return show_explorer()
        context = OPERATION.authorise(request)
        media = media_of(request.headers.get("accept", ""))
        try:
            body = await request.body()
            by_post = request.method == "POST"
            asked = _asked_by_post(request, body) if by_post else _asked_by_get(request)
            prepared = self.prepare(asked)
            if not by_post and prepared.operation.operation is OperationType.MUTATION:
                raise MutationByGet
            result = await execute(Call(context, body), prepared.selected, prepared.meta)
        except Exception as error:
            problem = problem_of(error, context.request_id)
            if isinstance(problem, Unavailable):
                raise problem from error
            return _refused(problem, context, media)
        return AuditedResponse(result.as_json(), media_type=media, audit=result.audit)

    def prepare(self, asked: GraphQLRequest) -> PreparedRequest:
        """What a request comes to; kept where it holds nothing that could be about a pupil."""
        if not asked.is_plain:
            return self._prepare(asked)
        return self._kept_of_schema(asked) if "__schema" in asked.query else self._kept(asked)

    def _read(self, text: str) -> Document:
        return read_document(self.api.types, text)

    def _prepare(self, asked: GraphQLRequest) -> PreparedRequest:
        document = (self._document if _is_plain(asked.query) else self._read)(asked.query)
        operation = document.operation(asked.operation_name)
        given = json.loads(asked.variables)
        try:
            variables = coerce_variables(self.api.types, operation, given)
            selected = plan_selection(self.api, document, operation, variables)
        except GraphQLError as error:
            raise QueryInvalid([error]) from error
        meta = [item for item in selected.fields if isinstance(item, IntrospectionField)]
        said = introspect(self.api, document, operation, given, meta) if meta else {}
        return PreparedRequest(operation, selected, said)


def media_of(accept: str) -> str:
    """The media type of the answer: the one that the client likes best; `application/json` where it names neither.

    A client that says nothing may be an old one, which knows no other.

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


def _asked_by_get(request: Request) -> GraphQLRequest:
    try:
        pairs = read_pairs(request.scope["query_string"])
    except Unreadable as error:
        raise QueryUnreadable(error.detail) from error
    given: dict[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        raise QueryUnreadable("A parameter stands twice.")
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _json(given[name].encode())
    return _asked(given)


def _asked_by_post(request: Request, body: bytes) -> GraphQLRequest:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON:
        raise WrongMediaType("Send application/json.")
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise WrongMediaType("Send UTF-8.")
    return _asked(_json(body))


def _json(text: bytes) -> Any:
    try:
        return read_json(text)
    except Unreadable as error:
        raise QueryUnreadable(error.detail) from error


def _asked(given: Any) -> GraphQLRequest:
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
    return '"' not in query and len(query) <= _KEPT_CHARACTERS


def _refused(problem: Problem, context: RequestContext, media: str) -> AuditedResponse:
    # To a client that knows no more than application/json, 200 says that the answer is GraphQL, errors and all.
    status = 200 if media == JSON and isinstance(problem, QueryInvalid) else problem.status
    body = json.dumps({"errors": errors_of(problem, context.services.issuer)})
    record = AuditRecord(context.action, problem=problem.code, status=problem.status)
    return AuditedResponse(body, status, dict(problem.headers), media, audit=record)
