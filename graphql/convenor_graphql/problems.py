"""What can be wrong with a GraphQL request itself, and how any problem stands in a GraphQL answer.

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
"""Where graphql-core repeats what was sent, which may be about a pupil, in a message, which clients log."""


class QueryUnreadable(Problem):
    """The request holds no `query`, or is not JSON."""

    status, code, title = 400, "query_unreadable", "GraphQL request unreadable"
    cause = "`query` is missing, a parameter is unknown or not of its type, or the body is not JSON."
    remedy = "Send `query` (text), and if need be `operationName` (text) and `variables` (an object)."


class QueryInvalid(Problem):
    """The document is not GraphQL or does not fit the schema, or its variables do not fit the document."""

    status, code, title = 400, "query_invalid", "GraphQL document invalid"
    cause = "A field, argument, type or variable is not as the schema or the document declares it."
    remedy = "Mend everything that `errors` names; the schema is shown at /graphql in a browser."

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__()
        self.document_errors = tuple(errors)


class QueryTooLarge(Problem):
    """The document asks for more than one request may."""

    status, code, title = 400, "query_too_large", "GraphQL document too large"
    cause = "Depth, aliases, fields, links, tokens and the number of records that the query could give are limited."
    remedy = "Ask for fewer records with `first`, or in several requests; `extensions.cost` shows what a query costs."


class BatchRefused(Problem):
    """One request holds one document: a list of them is refused."""

    status, code, title = 400, "batch_refused", "Batch refused"
    cause = "The body is a list of requests."
    remedy = "Send them one by one, or as one document with several fields."


class MutationByGet(Problem):
    """A mutation goes by POST."""

    status, code, title = 405, "mutation_by_get", "Mutation sent by GET"
    cause = "A GET changes nothing, wherever it is followed from."
    remedy = "Send the same document by POST."

    def __init__(self) -> None:
        super().__init__(headers={"Allow": "POST"})


def errors_of(problem: Problem, issuer: str, path: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A problem as errors of a GraphQL answer, with the `code` and the faults that REST gives."""
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
    placed: dict[str, Any] = {"path": list(path)} if path else {}
    return [{"message": problem.detail, **placed, "extensions": extensions}]


def _without_values(message: str) -> str:
    for repeated, instead in _REPEATED:
        message = repeated.sub(instead, message)
    return message
