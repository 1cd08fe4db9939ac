"""Turn any exception into a problem, and write problems on the wire (RFC 9457)."""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import InterfaceError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from convenor.audit.record import AuditRecord
from convenor.configuration_error import ConfigurationError
from convenor.database.pools import driver_error
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedResponse
from convenor.log import log
from convenor.problems import (
    AlreadyExists,
    FieldError,
    FieldErrors,
    Invalid,
    NoSuchPath,
    NotFound,
    Problem,
    Unavailable,
    Unexpected,
    Unreadable,
)
from convenor.read_model.query_string import read_parameters
from convenor.security.sealing import CannotOpen

_SENTENCES = {
    "extra_forbidden": ("unknown_field", "There is no such field."),
    "missing": ("missing", "This field is required."),
    "int_type": ("int_type", "Send a whole number, without quotes."),
    "float_type": ("float_type", "Send a number, without quotes."),
    "string_type": ("string_type", "Send text, in quotes."),
    "uuid_type": ("uuid_type", "Send an id as text: a UUID."),
    "uuid_parsing": ("uuid_parsing", "This is no UUID."),
    "list_type": ("list_type", "Send a list."),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), ("object_type", "Send an object.")),
}
"""What a partner reads in place of pydantic's own errors, by pydantic's code: the code and the sentence."""

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    InterfaceError,
    PoolTimeout,
    OSError,
    TimeoutError,
)


class WriteFailed(Exception):  # noqa: N818 - it carries a problem
    """Ends a change that failed.

    Attributes:
        problem: Why.
        record: What the change concerned when it failed, for the audit.
    """

    def __init__(self, problem: Problem, record: AuditRecord) -> None:
        super().__init__(problem)
        self.problem, self.record = problem, record


def problem_of(error: BaseException, request_id: str) -> Problem:
    """Return the problem that an exception means to the caller. Log errors of the service, without values."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, WriteFailed):
        return error.problem
    if isinstance(error, RequestValidationError):
        return Invalid(errors=tuple(_field_error(found, error.body) for found in error.errors()))
    if isinstance(error, HTTPException):
        return NoSuchPath() if error.status_code == HTTPStatus.NOT_FOUND else Unreadable()
    if isinstance(error, ClientDisconnect):
        return Unreadable("The caller went away before the end of its request.")
    cause = driver_error(error)
    if isinstance(cause, _AWAY) or isinstance(error, _AWAY) or getattr(error, "connection_invalidated", False):
        log.warning("request %s: unavailable, %s at %s", request_id, type(cause).__name__, _place_of(error))
        return Unavailable()
    if isinstance(error, ConfigurationError):
        log.error("request %s: %s %s", request_id, error.problem, error.remedy)
        return Unexpected() if isinstance(error, CannotOpen) else Unavailable()
    if isinstance(error, NoResultFound):
        return NotFound()  # another change took the record from the caller before it was locked
    if isinstance(cause, asyncpg.UniqueViolationError):
        return AlreadyExists()
    log.error("request %s: unexpected %s at %s", request_id, type(cause).__name__, _place_of(error))
    return Unexpected()


def _place_of(error: BaseException) -> str:
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    return f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "?"


def render(problem: Problem, context: RequestContext, audit: AuditRecord | None) -> AuditedResponse:
    """Make the answer of a problem.

    Args:
        problem: Why the request is not answered.
        context: Of the request.
        audit: The record of the refusal; None where no event is to be written.
    """
    body: dict[str, Any] = {
        "type": f"{context.services.issuer}/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": context.request_id,
        "errors": [field_error.as_json() for field_error in problem.errors],
        **problem.extra,
    }
    return AuditedResponse(
        json.dumps(body, ensure_ascii=True).encode(),
        problem.status,
        {"content-type": "application/problem+json", **problem.headers},
        audit=audit,
    )


def refuse(error: Exception, context: RequestContext) -> AuditedResponse:
    """Make the answer of an exception, with the record of the refusal."""
    return _refuse(problem_of(error, context.request_id), error, context)


async def answer_problem(request: Request, error: Exception) -> AuditedResponse:
    """Answer in place of a route. This is the exception handler of the application."""
    context = RequestContext.of(request)
    problem = problem_of(error, context.request_id)
    if isinstance(error, RequestValidationError):
        problem.errors += tuple(unknown_parameters(request).found)
    return _refuse(problem, error, context)


def _refuse(problem: Problem, error: Exception, context: RequestContext) -> AuditedResponse:
    record = error.record if isinstance(error, WriteFailed) else AuditRecord(context.action)
    return render(problem, context, replace(record, problem=problem.code))


def unknown_parameters(request: Request) -> FieldErrors:
    """Find what FastAPI ignores in the query string: unknown and repeated parameters.

    Raises:
        Unreadable: the query string cannot be read.
    """
    route, errors = request.scope.get("route"), FieldErrors()
    known = [parameter.alias for parameter in route.dependant.query_params] if isinstance(route, APIRoute) else []
    read_parameters(request.scope["query_string"], known, errors)
    return errors


def _field_error(found: Any, body: Any) -> FieldError:
    where, *loc = found["loc"]
    field_error = error_at(found, tuple(loc), body)
    return field_error if where == "body" else replace(field_error, pointer=f"/{where}{field_error.pointer}")


def error_at(found: Any, loc: tuple[int | str, ...], body: Any) -> FieldError:
    """Turn a pydantic error into a field error. The message never repeats the value.

    pydantic adds the label of a union's member to the location. A step that does not lead into `body` is such a label.
    """
    steps: list[int | str] = []
    for step in loc[:-1]:
        inside = body.get(step) if isinstance(body, dict) else body[step] if isinstance(step, int) else None
        if inside is not None:
            body = inside
            steps.append(step)
    steps.extend(loc[-1:])
    parts = [str(step).replace("~", "~0").replace("/", "~1") for step in steps]
    code, message = _SENTENCES.get(found["type"], (found["type"], found["msg"]))
    if code == "union_tag_invalid":
        message = f"This says which kind it is: one of {found['ctx']['expected_tags']}."
    return FieldError("".join(f"/{part}" for part in parts), code, message.removeprefix("Value error, "))
