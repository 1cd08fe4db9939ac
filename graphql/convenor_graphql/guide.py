"""Serve the page `/docs/graphql`, which tells clients what the schema does not, with the current limits."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from convenor.http.request_context import RequestContext
from convenor.pages.rendering import Templates
from convenor.read_model.list_query import MAX_LIMIT
from convenor_graphql import limits, planner

_TEMPLATES = Templates(Path(__file__).parent)
_LIMITS = (
    ("Characters of a document", limits.MAX_TEXT),
    ("Tokens", limits.MAX_TOKENS),
    ("Levels of nested fields, and of nested fragments", limits.MAX_DEPTH),
    ("Fields, with every fragment expanded", limits.MAX_FIELDS),
    ("Aliases", limits.MAX_ALIASES),
    ("Characters of an alias", limits.MAX_NAME),
    ("Fields at the top level of the operation", planner.MAX_ROOTS),
    ("Links from one record to others", planner.MAX_LINKS),
    ("Records on one page (`first`)", MAX_LIMIT),
    ("Records that the answer may hold", planner.MAX_COST),
    ("Values in those records", planner.MAX_VALUES),
)


async def show_guide(request: Request) -> HTMLResponse:
    """Show the page."""
    address = RequestContext.of(request).services.issuer
    return _TEMPLATES.page("guide.html", address=address, cost_of_a_total=planner.COST_OF_A_TOTAL, limits=_LIMITS)


routes = [Route("/docs/graphql", show_guide, include_in_schema=False)]
