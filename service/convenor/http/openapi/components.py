"""Describe what the operations of the contract share: problems, headers, parameters."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, get_args

from pydantic import TypeAdapter

from convenor.bulk_import import LineResult, OnError
from convenor.database.idempotency import LIFETIME
from convenor.http.dependencies import WriteOperation
from convenor.http.operation import Operation
from convenor.problems import NotFound, Problem, TooSlow, Unavailable, Unexpected, WrongContentEncoding, catalogue
from convenor.read_model.list_query import DEFAULT_LIMIT, MAX_LIMIT

JsonObject = dict[str, Any]

OAUTH = "oauth"
"""The name of the security scheme."""
LINE_SCHEMA = "x-line-schema"
"""Beside the schema of a body of lines, that of each line; from OpenAPI 3.2 on, this is `itemSchema`."""


def problems_of(path: str, operation: Operation | None, *, takes_body: bool) -> dict[int, list[type[Problem]]]:
    """Return the problems that an operation can end in, by status, without those of a wrong address.

    Args:
        path: with its parameters in braces.
        operation: None where no token is asked for.
        takes_body: whether it has a request body.
    """
    ends_in = operation.ends_in if operation else frozenset({Unexpected, Unavailable})
    if takes_body:
        ends_in |= {TooSlow, WrongContentEncoding}
    if operation and "{" in path:
        ends_in |= {NotFound}
    found: dict[int, list[type[Problem]]] = {}
    for kind in catalogue().values():
        if kind in ends_in:
            found.setdefault(kind.status, []).append(kind)
    return dict(sorted(found.items()))


def problem_response(kinds: Iterable[type[Problem]]) -> JsonObject:
    """Describe the response of one status: its codes, and what each means."""
    listed = list(kinds)
    codes = [kind.code for kind in listed]
    description = "\n".join(f"- `{kind.code}`: {kind.summary()}" for kind in listed)
    headers = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    if listed[0].status == 401 or any("scope" in code for code in codes):
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WWW-Authenticate"}
    if any("Retry-After" in kind.retry for kind in listed):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"code": {"enum": codes}}}]}
    return {"description": description, "headers": headers, "content": {"application/problem+json": {"schema": schema}}}


PROBLEM: JsonObject = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was not answered (RFC 9457). Some codes add members of their own.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "The page about this kind of problem."},
        "title": {"type": "string", "description": "The kind of problem, in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "code": {"type": "string", "description": "The kind of problem, for software; it never changes."},
        "request_id": {"type": "string", "format": "uuid", "description": "The request's id, as in the audit."},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/FieldError"},
            "description": "Every error in what was sent. Empty for other kinds of problem.",
        },
    },
}


def problem_schema(kinds: Iterable[type[Problem]]) -> JsonObject:
    """Return the schema of a problem, with the members of some kinds."""
    carried: dict[str, JsonObject] = {}
    for kind in kinds:
        for member in kind.carries:
            before = f"{carried[member.name]['description']} " if member.name in carried else ""
            description = f"{before}With `{kind.code}`: {member.description}"
            carried[member.name] = TypeAdapter(member.type_).json_schema() | {"description": description}
    return PROBLEM | {"properties": PROBLEM["properties"] | carried}


FIELD_ERROR: JsonObject = {
    "type": "object",
    "title": "FieldError",
    "description": "One thing wrong with what was sent.",
    "required": ["pointer", "code", "detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "A JSON pointer into the body (RFC 6901); `/query/...` and `/headers/...` name parameters.",
        },
        "code": {"type": "string", "description": "The kind of error, for software."},
        "detail": {"type": "string", "description": "What to correct. It never repeats the value."},
    },
}

LOAD_RESULT: JsonObject = {
    "type": "object",
    "title": "LoadResult",
    "description": "What became of one line of a bulk load.",
    "required": ["line", "result", "id", "problem"],
    "properties": {
        "line": {"type": "integer", "minimum": 1, "description": "The line's number, blank lines counted."},
        "result": {"type": "string", "enum": list(get_args(LineResult))},
        "id": {"type": ["string", "null"], "format": "uuid", "description": "The record, where there is one."},
        "problem": {
            "description": "Why the line was not stored; null where it was.",
            "oneOf": [
                {
                    "type": "object",
                    "required": ["code", "title", "detail", "errors"],
                    "properties": {name: PROBLEM["properties"][name] for name in ("code", "title", "detail", "errors")},
                },
                {"type": "null"},
            ],
        },
    },
}

SCHEMAS: Mapping[str, JsonObject] = {"FieldError": FIELD_ERROR, "LoadResult": LOAD_RESULT}


def _header(description: str, **schema: Any) -> JsonObject:
    return {"description": description, "schema": {"type": "string"} | schema}


HEADERS: Mapping[str, JsonObject] = {
    "X-Request-ID": _header("The request's id: yours if it is a UUID, else a new one.", format="uuid"),
    "ETag": _header("The record's version, for `If-Match`.", examples=['"1"']),
    "Location": _header("Where the new record is.", format="uri-reference"),
    "Link": _header('The next page, with `rel="next"`; absent on the last (RFC 8288).'),
    "Retry-After": _header("How many seconds to wait before trying again.", type="integer"),
    "WWW-Authenticate": _header("What the token lacks (RFC 6750 section 3)."),
    "Idempotency-Replayed": _header(
        "`true` where an earlier, equal call did this: the record is as it is now.", const="true"
    ),
}


def _parameter(where: str, name: str, description: str, *, required: bool = False, **schema: Any) -> JsonObject:
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": description,
        "schema": {"type": "string"} | schema,
    }


_KEY = (
    f"A name for this call that you choose, kept for {LIFETIME // timedelta(hours=1)} hours: a repeat with the same key"
    " and body gets the same answer."
)
_MATCH = (
    "The `ETag` of the record as you last read it, or a list of them; `*` takes whatever version there is"
    " (RFC 9110 section 13.1.1)."
)
_VISIBLE: JsonObject = {"minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"}
_TAG = r'(W/)?"[\x21\x23-\x7e]*"'
_TAGS: JsonObject = {"pattern": rf"^(\*|{_TAG}( *, *{_TAG})*)$", "examples": ['"1"']}

PARAMETERS: Mapping[str, JsonObject] = {
    "RequestId": _parameter(
        "header",
        "X-Request-ID",
        "A UUID of yours for this request; it is echoed and audited. Anything else is replaced by a new one.",
    ),
    "CorrelationId": _parameter(
        "header", "X-Correlation-ID", "A UUID that ties requests together; it is echoed. Anything else is ignored."
    ),
    "Purpose": _parameter(
        "header", "X-Purpose", "The purpose of this call, audited: one of your agreement's `purposes` (`GET /v1/me`)."
    ),
    "IdempotencyKey": _parameter("header", "Idempotency-Key", _KEY, required=True, **_VISIBLE),
    "OptionalIdempotencyKey": _parameter("header", "Idempotency-Key", _KEY, **_VISIBLE),
    "IfMatch": _parameter("header", "If-Match", _MATCH, required=True, **_TAGS),
    "OptionalIfMatch": _parameter("header", "If-Match", _MATCH, **_TAGS),
    "Cursor": _parameter("query", "cursor", "`next` of the page before, unchanged; leave it out for the first page."),
    "Limit": _parameter(
        "query",
        "limit",
        "How many records a page has at most.",
        type="integer",
        minimum=1,
        maximum=MAX_LIMIT,
        default=DEFAULT_LIMIT,
    ),
    "Count": _parameter(
        "query", "count", "Whether to count all records that the filters leave.", type="boolean", default=False
    ),
    "DryRun": _parameter(
        "query", "dry_run", "Report what the load would do, and store nothing.", type="boolean", default=False
    ),
    "OnError": _parameter(
        "query",
        "on_error",
        "What to do with the other lines if one is invalid: with `abort` nothing is stored.",
        enum=list(OnError),
        default=OnError.ABORT,
    ),
}


def headers_of(operation: Operation | None) -> list[JsonObject]:
    """Return the header parameters of an operation."""
    names = ["RequestId", "CorrelationId"]
    if operation:
        names.append("Purpose")
    if isinstance(operation, WriteOperation):
        if operation.takes_key:
            names.append("IdempotencyKey" if operation.creates else "OptionalIdempotencyKey")
        if operation.takes_version:
            names.append("IfMatch" if operation.changes else "OptionalIfMatch")
    return refer("parameters", names)


def refer(kind: str, names: Iterable[str]) -> list[JsonObject]:
    """Refer to components of one kind."""
    return [{"$ref": f"#/components/{kind}/{name}"} for name in names]
