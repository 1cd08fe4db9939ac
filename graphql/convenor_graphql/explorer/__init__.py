"""Serve the explorer, the page at `/graphql` in a browser.

The page itself needs no token. It reads the schema and the records with the user's token, like any other client.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from convenor.pages.rendering import Templates
from convenor_auth.roles import IDENTIFY, ROLES, SCOPES

HEADERS = {
    "Cache-Control": "public, max-age=300",
    # The browser must never send a form itself: without the script, a secret would be in the address.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

_HERE = Path(__file__).parent
_KINDS = {".css": "text/css", ".js": "text/javascript"}
_TEMPLATES = Templates(_HERE)
_COMMENTS = re.compile(r"# Role: (?P<role>\w+)\n# Shows: (?P<shows>[^\n]+(?:\n# [^\n]+)*)\n")


def show_explorer() -> HTMLResponse:
    """Show the page."""
    # Identification is not requested by default; users who need it tick it.
    scopes = [(scope, description, scope != IDENTIFY) for scope, description in SCOPES.items()]
    answer = _TEMPLATES.page("page.html", scopes=scopes)
    answer.headers.update(HEADERS | {"Vary": "Accept"})
    return answer


async def show_asset(request: Request) -> Response:
    """Send a stylesheet or a script of the page."""
    path = _HERE / request.url.path.rpartition("/")[2]
    return Response(_asset(path), media_type=_KINDS[path.suffix], headers=HEADERS)


async def show_examples(_request: Request) -> JSONResponse:
    """Send the examples."""
    return JSONResponse(examples(), headers=HEADERS)


@cache
def examples() -> list[dict[str, Any]]:
    """List the example documents in the order of the roles, with name, role, description and variables."""
    found = []
    for path in sorted((_HERE / "examples").glob("*.graphql")):
        document, values = path.read_text("utf-8"), path.with_suffix(".json")
        comments = _COMMENTS.match(document)
        assert comments, f"{path.name} must begin with its role and what it shows"
        found.append(
            {
                "name": path.stem,
                "role": comments["role"],
                "shows": comments["shows"].replace("\n# ", " "),
                "document": document,
                "variables": values.read_text("utf-8") if values.exists() else "",
            }
        )
    return sorted(found, key=lambda example: [*ROLES].index(example["role"]))


@cache
def _asset(path: Path) -> bytes:
    return path.read_bytes()


routes = [
    *(
        Route(f"/graphql/assets/{path.name}", show_asset, include_in_schema=False)
        for path in sorted(_HERE.iterdir())
        if path.suffix in _KINDS
    ),
    Route("/graphql/assets/examples.json", show_examples, include_in_schema=False),
]
