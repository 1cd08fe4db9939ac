"""Problems on the wire (RFC 9457), and which problem any exception amounts to."""

import json
import logging
from dataclasses import replace
from typing import Any

import asyncpg
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import InterfaceError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from convenor.audit.writer import AuditDraft
from convenor.database.pools import driver_error
from convenor.problems import (
    AlreadyExists,
    FieldError,
    FieldErrors,
    Invalid,
    MethodNotAllowed,
    NoSuchPath,
    NotFound,
    Problem,
    Unavailable,
    Unexpected,
    Unreadable,
)
from convenor.read_model.query_string import read_parameters

log = logging.getLogger("convenor")

_SAID = {
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
"""How a partner is told what pydantic says to its programmers, by pydantic's code: the code and the sentence."""

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


def problem_of(error: BaseException, request_id: str) -> Problem:
    """What an exception means to the caller. What is no problem of the caller's is logged, without values."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return Invalid(errors=tuple(_fault(found, error.body) for found in error.errors()))
    if isinstance(error, HTTPException):
        return {404: NoSuchPath, 405: MethodNotAllowed}.get(error.status_code, Unreadable)()
    if isinstance(error, ClientDisconnect):
        return Unreadable("The caller went away before the end of its request.")
    cause = driver_error(error)
    if isinstance(cause, _AWAY) or isinstance(error, _AWAY) or getattr(error, "connection_invalidated", False):
        log.warning("request %s: unavailable, %s at %s", request_id, type(cause).__name__, _place_of(error))
        return Unavailable()
    if isinstance(error, NoResultFound):
        return NotFound()  # it left the caller's reach between being found and being locked
    if isinstance(cause, asyncpg.UniqueViolationError):
        return AlreadyExists()
    log.error("request %s: unexpected %s at %s", request_id, type(cause).__name__, _place_of(error))
    return Unexpected()


def _place_of(error: BaseException) -> str:
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    return f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else "?"


def render(problem: Problem, request_id: str, issuer: str) -> Response:
    """The problem as an answer."""
    body: dict[str, Any] = {
        "type": f"{issuer}/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        "errors": [field_error.as_json() for field_error in problem.errors],
        **problem.extra,
    }
    return Response(
        json.dumps(body, ensure_ascii=True).encode(),
        problem.status,
        {"content-type": "application/problem+json", **problem.headers},
    )


async def answer_problem(request: Request, error: Exception) -> Response:
    """The exception handler of the whole application."""
    note: AuditDraft = request.scope["state"]["note"]
    problem = problem_of(error, note.request_id)
    if isinstance(error, RequestValidationError):
        problem.errors += tuple(unknown_parameters(request).found)
    if isinstance(problem, MethodNotAllowed):
        problem.headers["Allow"] = ", ".join(sorted(_methods(request)))
    note.problem = problem.code
    return render(problem, note.request_id, request.app.state.issuer)


def _methods(request: Request) -> set[str]:
    """The methods of a path: those of a path without parameters, where it could be read as one with a record's name."""
    routes = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
    fixed = [route for route in routes if not route.param_convertors]
    return {method for route in fixed or routes for method in route.methods}


def unknown_parameters(request: Request) -> FieldErrors:
    """What FastAPI passes over in the query string of its route: what is not declared there, or comes twice.

    Raises:
        Unreadable: the query string cannot be read.
    """
    route, errors = request.scope.get("route"), FieldErrors()
    known = [parameter.alias for parameter in route.dependant.query_params] if isinstance(route, APIRoute) else []
    read_parameters(request.scope["query_string"], known, errors)
    return errors


def _fault(found: Any, body: Any) -> FieldError:
    where, *loc = found["loc"]
    field_error = error_at(found, tuple(loc), body)
    return field_error if where == "body" else replace(field_error, pointer=f"/{where}{field_error.pointer}")


def error_at(found: Any, loc: tuple[int | str, ...], body: Any) -> FieldError:
    """A pydantic error as a fault. Its message never repeats the value.

    pydantic puts the label of a union's member into the place; what is no step into `body` is such a label.
    """
    steps: list[int | str] = []
    for step in loc[:-1]:
        inside = body.get(step) if isinstance(body, dict) else body[step] if isinstance(step, int) else None
        if inside is not None:
            body = inside
            steps.append(step)
    steps.extend(loc[-1:])
    parts = [str(step).replace("~", "~0").replace("/", "~1") for step in steps]
    code, message = _SAID.get(found["type"], (found["type"], found["msg"]))
    if code == "union_tag_invalid":
        message = f"This says which kind it is: one of {found['ctx']['expected_tags']}."
    return FieldError("".join(f"/{part}" for part in parts), code, message.removeprefix("Value error, "))
