"""Build the contract, OpenAPI 3.1, from what the routes declare. It does not depend on a feature.

Reading routes are described by their `Resource`, any other by its models, its `Operation` and what its route says. A
route outside the contract says so itself (`include_in_schema=False`).

Source: OpenAPI Specification 3.1.1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from convenor.domain_types.names import words
from convenor.http.bulk import MAX_LINE, BulkImportOperation
from convenor.http.bulk import MEDIA_TYPE as NDJSON
from convenor.http.dependencies import WriteOperation
from convenor.http.openapi.components import (
    HEADERS,
    LINE_SCHEMA,
    OAUTH,
    PARAMETERS,
    JsonObject,
    headers_of,
    problem_response,
    problem_schema,
    problems_of,
    refer,
)
from convenor.http.openapi.schemas import (
    IN,
    OUT,
    filter_key,
    query_key,
    query_of,
    schemas_of,
)
from convenor.http.operation import Operation
from convenor.http.read_routes import ReadRoute, operation_of, search_of
from convenor.problems import Problem
from convenor.read_model.resource import Resource
from convenor.request_limits import MAX_BULK

_JSON = "application/json"
_LIST = {"style": "form", "explode": False}
"""The values of a parameter are separated by commas. Repeating it, as some generators do, means the same."""
_NAMES = re.compile(r"{(\w+)}")


def build_contract(
    routes: Iterable[BaseRoute], *, info: JsonObject, tags: Mapping[str, str], scopes: Mapping[str, str]
) -> JsonObject:
    """Build the contract of some routes.

    Args:
        routes: in the order of the document.
        info: OpenAPI's Info Object.
        tags: what each section is about, in their order.
        scopes: every scope with what it opens.

    Raises:
        ValueError: two operations have one id.
    """
    known = [route for route in routes if isinstance(route, Route) and route.include_in_schema]
    writer = _Writer(known)
    paths: dict[str, JsonObject] = {}
    seen: set[str] = set()
    for route in known:
        operation = writer.operation(route)
        if operation["operationId"] in seen:
            raise ValueError(f"Two operations have the id {operation['operationId']}.")
        seen.add(operation["operationId"])
        method = next(iter((route.methods or set()) - {"HEAD"})).lower()
        paths.setdefault(route.path, {})[method] = operation
    used = {operation["tags"][0] for methods in paths.values() for operation in methods.values()}
    return {
        "openapi": "3.1.1",
        "info": info,
        "servers": [{"url": "/", "description": "The address that this document was read from."}],
        "tags": [{"name": name, "description": text} for name, text in tags.items() if name in used],
        "paths": paths,
        "components": {
            "securitySchemes": {
                OAUTH: {
                    "type": "oauth2",
                    "description": "Client credentials (RFC 6749 section 4.4); a token lasts five minutes.",
                    "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": dict(scopes)}},
                }
            },
            "parameters": dict(PARAMETERS),
            "headers": dict(HEADERS),
            "responses": dict(sorted(writer.responses.items())),
            "schemas": dict(sorted((writer.schemas | {"Problem": problem_schema(writer.problems)}).items())),
        },
    }


class _Writer:
    """Writes operations, and gathers the components that they refer to."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.responses: dict[str, JsonObject] = {}
        self.problems: dict[type[Problem], None] = {}
        readings = [route.reading for route in routes if isinstance(route, ReadRoute)]
        self.resources = {reading.resource.read: reading.resource for reading in readings}
        self.named = {
            route.path: route.reading.resource
            for route in routes
            if isinstance(route, ReadRoute) and not route.reading.many
        }
        self.schemas, self.refs = schemas_of(routes)

    def operation(self, route: Route) -> JsonObject:
        operation = operation_of(route)
        if isinstance(route, ReadRoute):
            written = self._reading(route)
        elif isinstance(route, APIRoute):
            written = self._api(route, operation)
        else:
            raise TypeError(f"{route.path} is neither described nor left out: give it include_in_schema=False.")
        written["parameters"] = [*self._path(route), *written["parameters"], *headers_of(operation)]
        if operation:
            written["security"] = [{OAUTH: [operation.scope] if operation.scope else []}]
        for status, kinds in problems_of(route.path, operation, takes_body="requestBody" in written).items():
            # Named by their codes, so that equal responses are in the document once.
            name = ".".join(kind.code for kind in kinds)
            self.responses[name] = problem_response(kinds)
            self.problems |= dict.fromkeys(kinds)
            response = written["responses"].setdefault(str(status), {"$ref": f"#/components/responses/{name}"})
            if "$ref" not in response:
                response["content"] |= self.responses[name]["content"]
        written["responses"] = dict(sorted(written["responses"].items()))
        return written

    def _reading(self, route: ReadRoute) -> JsonObject:
        reading, resource = route.reading, route.reading.resource
        one, many = words(resource.singular), words(resource.name)
        fields = _fields(resource)
        description = (resource.read.__doc__ or "").split("\n")[0]
        etag = {"ETag": {"$ref": "#/components/headers/ETag"}} if resource.etag else {}
        answer = self.refs[route.response_model, OUT]
        if not reading.many:
            return {
                "tags": _tags(route),
                "operationId": route.operation_id,
                "summary": f"Read one {one}",
                "description": description,
                "parameters": [fields],
                "responses": {"200": _success(f"The {one}.", {_JSON: answer}, etag)},
            }
        summary = f"List {many}"
        if reading.under:
            summary = f"List the {words(str(reading.relation))} of one {words(reading.under.singular)}"
        description = f"A page of {many}: those that your role may see and the filters select."
        body: JsonObject = {}
        if reading.search:
            summary = f"Search {many} by a pupil's number"
            description += " For the next page, send the same body to the address in `Link`, or with `cursor`."
            schema = self.refs[search_of(resource), IN]
            body = {"requestBody": {"required": True, "content": {_JSON: {"schema": schema}}}}
        link = {"Link": {"$ref": "#/components/headers/Link"}}
        return {
            "tags": _tags(route),
            "operationId": route.operation_id,
            "summary": summary,
            "description": description,
            "parameters": [
                *self._filters(resource),
                *refer("parameters", ["Cursor", "Limit"]),
                _sort(resource),
                fields,
                *refer("parameters", ["Count"]),
            ],
            **body,
            "responses": {"200": _success(f"A page of {many}.", {_JSON: answer}, link)},
        }

    def _api(self, route: APIRoute, operation: Operation | None) -> JsonObject:
        description = (route.endpoint.__doc__ or "").strip()
        written: JsonObject = {
            "tags": _tags(route),
            "operationId": route.operation_id or route.name,
            "summary": route.summary or _summary(route.name),
            "description": "\n".join(line.strip() for line in description.splitlines()),
            "parameters": [
                {
                    "name": parameter.alias,
                    "in": "query",
                    "required": parameter.field_info.is_required(),
                    "description": parameter.field_info.description or "",
                    "schema": self.refs[query_key(route, parameter.alias), IN],
                }
                for parameter in query_of(route.dependant)
            ],
            "responses": {},
        }
        if isinstance(operation, BulkImportOperation):
            results = {"$ref": "#/components/schemas/LoadResult"}
            written["parameters"] += refer("parameters", ["DryRun", "OnError"])
            written["requestBody"] = {
                "required": True,
                "description": f"One `{operation.load.model.__name__}` a line, as JSON in UTF-8; at most"
                f" {MAX_BULK // 1_000_000} MB, and {MAX_LINE // 1_000} kB a line.",
                "content": {NDJSON: _lines(self.refs[operation.load.model, IN])},
            }
            written["responses"] = {
                status: _success(description, {}) | {"content": {NDJSON: _lines(results)}}
                for status, description in (
                    ("200", "A `LoadResult` a line, in order."),
                    ("422", "With `on_error=abort`: some lines are invalid, and nothing was stored."),
                )
            }
            return written
        if route.body_field:
            written["requestBody"] = {
                "required": True,
                "content": {_JSON: {"schema": self.refs[route.body_field.field_info.annotation, IN]}},
            }
        written["responses"] = self._answers(route, operation)
        extra = dict(route.openapi_extra or {})
        return written | extra

    def _answers(self, route: APIRoute, operation: Operation | None) -> JsonObject:
        answers: JsonObject = {}
        write = operation if isinstance(operation, WriteOperation) else None
        status = route.status_code or 200
        if route.response_model:
            answers[str(status)] = _success(
                "The record as it is then." if write else "The answer.",
                {_JSON: self.refs[route.response_model, OUT]},
                self._written_headers(route, write, status),
            )
        for code, declared in route.responses.items():
            content = {_JSON: self.refs[declared["model"], OUT]} if "model" in declared else {}
            answers[str(code)] = _success(declared.get("description", ""), content)
        return answers

    def _written_headers(self, route: APIRoute, write: WriteOperation | None, status: int) -> JsonObject:
        resource = self.resources.get(route.response_model)
        names = ["ETag"] if resource and resource.etag else []
        if write and write.creates and status == 201:
            names.append("Location")
        if write and write.takes_key:
            names.append("Idempotency-Replayed")
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

    def _path(self, route: Route) -> list[JsonObject]:
        found = []
        for match in _NAMES.finditer(route.path):
            resource = self.named.get(route.path[: match.end()])
            schema: JsonObject = {"type": "string"}
            description = "Names the record."
            if resource and resource.natural_key:
                description = f"The {words(resource.singular)}'s id, or its {resource.natural_key}."
            elif resource:
                description = f"The {words(resource.singular)}'s id."
                schema["format"] = "uuid"
            found.append(
                {"name": match[1], "in": "path", "required": True, "description": description, "schema": schema}
            )
        return found

    def _filters(self, resource: Resource) -> list[JsonObject]:
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": resource.filters[name].description,
                **(_LIST if name in resource.lists else {}),
                "schema": self.refs[filter_key(resource, name), IN],
            }
            for name in resource.parameters
        ]


def _tags(route: APIRoute) -> list[str]:
    """Return the one section of a route: its own, or else that of its router."""
    return [str(tag) for tag in route.tags[-1:]]


def _lines(line: JsonObject) -> JsonObject:
    """Describe a body of lines as text: a generator would take the schema of a line for that of the whole body."""
    return {"schema": {"type": "string", "format": "binary"}, LINE_SCHEMA: line}


def _summary(name: str) -> str:
    summary = words(name)
    return summary[:1].upper() + summary[1:]


def _sort(resource: Resource) -> JsonObject:
    orders = [order for name in resource.sorts for order in (name, f"-{name}")]
    return {
        "name": "sort",
        "in": "query",
        "required": False,
        "description": "The order. `-` reverses it. The id breaks ties.",
        "schema": {"type": "string", "enum": orders, "default": resource.order},
    }


def _fields(resource: Resource) -> JsonObject:
    names = [name for name in resource.read.model_fields if name != "redacted"]
    return {
        "name": "fields",
        "in": "query",
        "required": False,
        "description": "Only these fields, separated by commas: the others are then absent, required or not.",
        **_LIST,
        "schema": {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1},
    }


def _success(description: str, content: Mapping[str, JsonObject], headers: JsonObject | None = None) -> JsonObject:
    own = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}} | (headers or {})
    return {
        "description": description,
        "headers": own,
        "content": {media: {"schema": schema} for media, schema in content.items()},
    }
