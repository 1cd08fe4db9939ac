"""Define the problems of a GraphQL request, and write any problem as errors of a GraphQL answer.

Source: GraphQL specification (September 2025), section 7.1.6; GraphQL over HTTP.
"""

import re
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

from convenor.problems import Problem

_REPEATED = tuple(
    (re.compile(pattern, re.DOTALL), instead)
    for pattern, instead in (
        (r"[,.;]? [Ff]ound: .*", "."),
        (r"(cannot represent [^:]*): .*", r"\1."),
        (r"(found (?:Block)?String) .*", r"\1."),
        (r"Value '.*' does not exist", "The value does not exist"),
    )
)
"""Parts of graphql-core's messages that repeat values. Clients log messages, and a value may be about a pupil."""


class QueryUnreadable(Problem):
    """The request has no `query`, or is not JSON."""

    status, code, title = 400, "query_unreadable", "GraphQL request unreadable"
    cause = "`query` is missing, a parameter is unknown or of the wrong type, or the body is not JSON."
    remedy = "Send `query` (text) and, where needed, `operationName` (text) and `variables` (an object)."


class QueryInvalid(Problem):
    """The document or its variables are not valid for the schema."""

    status, code, title = 400, "query_invalid", "GraphQL document invalid"
    cause = "A field, argument, type or variable differs from its declaration in the schema or the document."
    remedy = "Correct everything that `errors` lists. In a browser, /graphql shows the schema."

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__()
        self.document_errors = tuple(errors)


class QueryTooLarge(Problem):
    """The document asks for more than one request may ask for."""

    status, code, title = 400, "query_too_large", "GraphQL document too large"
    cause = "Depth, aliases, fields, links, tokens and the number of records in the answer are limited."
    remedy = "Request fewer records with `first`, or send several requests. `extensions.cost` shows a query's cost."


class BatchRefused(Problem):
    """A request may hold one document, not a list."""

    status, code, title = 400, "batch_refused", "Batch refused"
    cause = "The body is a list of requests."
    remedy = "Send separate requests, or one document with several fields."


class MutationByGet(Problem):
    """A mutation must be sent by POST."""

    status, code, title = 405, "mutation_by_get", "Mutation sent by GET"
    cause = "A GET request must not change anything."
    remedy = "Send the same document by POST."

    def __init__(self) -> None:
        super().__init__(headers={"Allow": "POST"})


def errors_of(problem: Problem, issuer: str, path: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Write a problem as errors of a GraphQL answer, with the `code` and the field errors of REST."""
    extensions: dict[str, Any] = {
        "code": problem.code,
        "status": problem.status,
        "type": f"{issuer}/problems/{problem.code}",
        **problem.extra,
    }
    if problem.errors:
        extensions["errors"] = [field_error.as_json() for field_error in problem.errors]
    if isinstance(problem, QueryInvalid):
        return [
            {**error.formatted, "message": _without_values(error.message), "extensions": extensions}
            for error in problem.document_errors
        ]
    location: dict[str, Any] = {"path": list(path)} if path else {}
    return [{"message": problem.detail, **location, "extensions": extensions}]


def _without_values(message: str) -> str:
    for repeated, instead in _REPEATED:
        message = repeated.sub(instead, message)
    return message
