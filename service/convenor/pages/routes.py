"""The pages and what they are made of: their addresses, and what stands on each that is not the reference."""

import asyncio
import json
from html import escape
from http import HTTPStatus
from pathlib import Path

import asyncpg
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from convenor.kit.db import Readers
from convenor.kit.errors import Problem, catalogue
from convenor.pages import reference
from convenor.pages.markup import page, prose, table, text
from convenor_auth.roles import ROLES, SCOPES

_HERE = Path(__file__).parent
_ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
_CACHE = {"Cache-Control": "public, max-age=300"}


async def show_home(request: Request) -> HTMLResponse:
    """What this is, and where to go."""
    return page("Convenor", (_HERE / "home.html").read_text("utf-8").replace("$address", _address(request)), "/")


async def show_reference(request: Request) -> HTMLResponse:
    """How the API works throughout, its sections, roles and scopes."""
    body = (
        (_HERE / "reference.html").read_text("utf-8")
        + f'<section><h2 id="sections">Sections</h2>{reference.sections(request.app.openapi())}</section>'
        + f'<section><h2 id="roles">Roles</h2>{_roles()}</section>'
        + f'<section><h2 id="scopes">Scopes</h2>{_scopes()}</section>'
    )
    return page("Reference", body, "/docs")


async def show_section(request: Request) -> HTMLResponse:
    """One section of the reference."""
    contract = request.app.openapi()
    tag = next((it for it in contract["tags"] if reference.path_of(it["name"]) == request.url.path), None)
    if tag is None:
        return _absent("There is no such section.", "/docs", "All sections")
    body = f"<p>{text(tag['description'])}</p>{reference.section(contract, tag['name'], _address(request))}"
    if tag["name"] == "pathways":
        body += await _pathways(request.app.state.readers)
    return page(reference.title_of(tag["name"]), body, "/docs")


async def show_problems(_request: Request) -> HTMLResponse:
    """Every kind of problem."""
    rows = [
        (f'<a href="/problems/{kind.code}"><code>{kind.code}</code></a>', str(kind.status), text(_meaning(kind)))
        for kind in sorted(catalogue().values(), key=lambda kind: (kind.status, kind.code))
    ]
    body = (
        "<p>Whatever cannot be answered is answered with a problem (RFC 9457). Its <code>code</code> never changes; "
        "its <code>type</code> is the address of a page here. <code>errors</code> names every fault: "
        "those of form first, all at once.</p>"
    )
    return page(
        "Problems", body + table("Every kind of problem", ("Code", "Status", "What it means"), rows), "/problems"
    )


async def show_problem(request: Request) -> HTMLResponse:
    """One kind of problem: meaning, cause, way out, retry or not."""
    kind = catalogue().get(request.path_params["code"])
    if kind is None:
        return _absent("There is no such kind of problem.", "/problems", "Every kind of problem")
    body = f"""<p><code>{kind.code}</code>, status {kind.status} {HTTPStatus(kind.status).phrase}</p>
<h2>What it means</h2>{prose(_meaning(kind))}
<h2>Cause</h2>{prose(kind.cause)}
<h2>Way out</h2>{prose(kind.way_out)}
<h2>Retry?</h2>{prose(kind.retry)}
<p><a href="/problems">Every kind of problem</a></p>"""
    return page(kind.title, body, "/problems")


async def show_asset(request: Request) -> Response:
    """The stylesheet and the icon."""
    name = request.url.path.rpartition("/")[2]
    return Response((_HERE / name).read_bytes(), media_type=_ASSETS[name], headers=_CACHE)


async def show_contract(request: Request) -> JSONResponse:
    """The contract, for software."""
    return JSONResponse(request.app.openapi(), headers=_CACHE)


routes = [
    Route("/", show_home, include_in_schema=False),
    Route("/docs", show_reference, include_in_schema=False),
    Route("/docs/{section}", show_section, include_in_schema=False),
    Route("/problems", show_problems, include_in_schema=False),
    Route("/problems/{code}", show_problem, include_in_schema=False),
    *(Route(f"/assets/{name}", show_asset, include_in_schema=False) for name in _ASSETS),
    Route("/openapi.json", show_contract, include_in_schema=False),
]


def _address(request: Request) -> str:
    return escape(request.app.state.issuer)


def _meaning(kind: type[Problem]) -> str:
    return (kind.__doc__ or kind.title).split("\n")[0]


def _absent(said: str, path: str, name: str) -> HTMLResponse:
    return page("Not found", f'<p>{said} <a href="{path}">{name}</a></p>', status=HTTPStatus.NOT_FOUND)


def _roles() -> str:
    rows = [
        (
            f"<code>{role}</code>",
            f"May {text(rule.may)}.",
            f"May not {text(rule.may_not)}.",
            str(rule.reach),
            ", ".join(sorted(rule.walls)) or "pseudonyms",
        )
        for role, rule in ROLES.items()
    ]
    return table("What each role may do", ("Role", "May", "May not", "Cases it reaches", "Sees"), rows)


def _scopes() -> str:
    rows = [
        (
            f"<code>{scope}</code>",
            text(said),
            ", ".join(f"<code>{role}</code>" for role, rule in ROLES.items() if scope in rule.scopes),
        )
        for scope, said in SCOPES.items()
    ]
    return table("What each scope opens", ("Scope", "Opens", "Roles that may have it"), rows)


async def _pathways(readers: Readers) -> str:
    """The pathways on which cases begin today. The page stands without them while the database is away."""
    try:
        async with asyncio.timeout(1):
            rows = await readers.fetch("select name, version, transitions from current_pathway order by code")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return ""
    return "".join(
        f"<section><h2>{escape(row['name'])}, version {row['version']}</h2>"
        + table(
            "Steps",
            ("From", "To", "By", "Must be sent with it", "When"),
            (
                (
                    f"<code>{escape(step['source'])}</code>",
                    f"<code>{escape(step['to'])}</code>",
                    escape(step["by"]),
                    ", ".join(f"<code>{escape(name)}</code>" for name in step["requires"]),
                    text(step["description"]),
                )
                for step in json.loads(row["transitions"])
            ),
        )
        + "</section>"
        for row in rows
    )
