"""The addresses of the pages, and the values that their templates show."""

import asyncio
import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from convenor.database.pools import DATABASE_ERRORS, Pool
from convenor.http.exception_handlers import answer_problem
from convenor.http.request_context import RequestContext
from convenor.pages.reference import sections
from convenor.pages.rendering import CACHE, Templates
from convenor.problems import Problem, catalogue
from convenor_auth.roles import ROLES, SCOPES

_HERE = Path(__file__).parent
_ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
_TEMPLATES = Templates()


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem as its page shows it."""

    code: str
    title: str
    status: int
    phrase: str
    meaning: str
    cause: str
    remedy: str
    retry: str


@dataclass(frozen=True)
class RoleRow:
    """A role as the reference shows it."""

    name: str
    may: list[str]
    may_not: list[str]
    row_access: str
    details: list[str]


@dataclass(frozen=True)
class ScopeRow:
    """A scope as the reference shows it."""

    name: str
    description: str
    roles: list[str]


@dataclass(frozen=True)
class Pathway:
    """A pathway as the reference shows it. A step has `source`, `to`, `by`, `requires` and `description`."""

    name: str
    version: int
    steps: list[dict[str, Any]]


async def show_home(request: Request) -> HTMLResponse:
    """Show what the service is and where to go."""
    return _TEMPLATES.page("home.html", address=RequestContext.of(request).services.issuer)


async def show_reference(request: Request) -> HTMLResponse:
    """Show the conventions of the API, its sections, roles and scopes."""
    return _TEMPLATES.page("reference.html", sections=sections(request.app.openapi()), roles=_roles(), scopes=_scopes())


async def show_section(request: Request) -> HTMLResponse:
    """Show one section of the reference."""
    section = next((each for each in sections(request.app.openapi()) if each.path == request.url.path), None)
    if section is None:
        return _not_found("There is no such section.", "/docs", "All sections")
    services = RequestContext.of(request).services
    pathways = await _pathways(services.readers) if section.tag == "pathways" else []
    return _TEMPLATES.page("section.html", section=section, address=services.issuer, pathways=pathways)


async def show_problems(_request: Request) -> HTMLResponse:
    """Show every kind of problem."""
    kinds = sorted(map(_problem_kind, catalogue().values()), key=lambda kind: (kind.status, kind.code))
    return _TEMPLATES.page("problems.html", kinds=kinds)


async def show_problem(request: Request) -> HTMLResponse:
    """Show one kind of problem: its meaning, cause and remedy, and whether to retry."""
    kind = catalogue().get(request.path_params["code"])
    if kind is None:
        return _not_found("There is no such kind of problem.", "/problems", "All kinds of problem")
    return _TEMPLATES.page("problem.html", kind=_problem_kind(kind))


async def show_asset(request: Request) -> Response:
    """Send the stylesheet or the icon."""
    name = request.url.path.rpartition("/")[2]
    return Response(_asset(name), media_type=_ASSETS[name], headers=CACHE)


async def show_contract(request: Request) -> JSONResponse:
    """Send the contract, for software."""
    return JSONResponse(request.app.openapi(), headers=CACHE)


async def answer_unknown_address(request: Request, error: Exception) -> Response:
    """Answer a request for an address that does not exist: with a page to a browser, with a problem to software."""
    answer: Response = await answer_problem(request, error)
    by_software = RequestContext.of(request).principal is not None or request.method not in ("GET", "HEAD")
    if not by_software and "text/html" in request.headers.get("accept", ""):
        answer = _not_found("There is nothing at this address.", "/", "Start page")
    answer.headers["Vary"] = "Accept"
    return answer


routes = [
    Route("/", show_home, include_in_schema=False),
    Route("/docs", show_reference, include_in_schema=False),
    Route("/docs/{section}", show_section, include_in_schema=False),
    Route("/problems", show_problems, include_in_schema=False),
    Route("/problems/{code}", show_problem, include_in_schema=False),
    *(Route(f"/assets/{name}", show_asset, include_in_schema=False) for name in _ASSETS),
    Route("/openapi.json", show_contract, include_in_schema=False),
]


@cache
def _asset(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _not_found(detail: str, path: str, name: str) -> HTMLResponse:
    return _TEMPLATES.page("not_found.html", status=HTTPStatus.NOT_FOUND, detail=detail, path=path, name=name)


def _problem_kind(kind: type[Problem]) -> ProblemKind:
    return ProblemKind(
        code=kind.code,
        title=kind.title,
        status=kind.status,
        phrase=HTTPStatus(kind.status).phrase,
        meaning=kind.summary(),
        cause=kind.cause,
        remedy=kind.remedy,
        retry=kind.retry,
    )


def _roles() -> list[RoleRow]:
    return [
        RoleRow(
            name=role,
            may=rule.may.split("; "),
            may_not=rule.may_not.split("; "),
            row_access=rule.row_access,
            details=sorted(rule.clearances),
        )
        for role, rule in ROLES.items()
    ]


def _scopes() -> list[ScopeRow]:
    return [
        ScopeRow(scope, description, [role for role, rule in ROLES.items() if scope in rule.scopes])
        for scope, description in SCOPES.items()
    ]


async def _pathways(readers: Pool) -> list[Pathway]:
    """Read the current pathways, or none while the database is unavailable: the page works without them."""
    try:
        async with asyncio.timeout(1):
            rows = await readers.fetch("select name, version, transitions from current_pathway order by code")
    except (*DATABASE_ERRORS, OSError):
        return []
    return [Pathway(row["name"], row["version"], json.loads(row["transitions"])) for row in rows]
