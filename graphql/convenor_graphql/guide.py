"""The page at `/docs/graphql`: what a client needs to know besides the schema, with the limits as they are."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from convenor.pages.rendering import Templates
from convenor.read_model.list_query import MAX_LIMIT
from convenor_graphql import limits as document
from convenor_graphql import planner as selecting

_TEMPLATES = Templates(Path(__file__).parent)
_LIMITS = (
    ("Characters of a document", document.MAX_TEXT),
    ("Tokens", document.MAX_TOKENS),
    ("Levels of fields in one another, and of fragments in one another", document.MAX_DEPTH),
    ("Fields, with every fragment spread out", document.MAX_FIELDS),
    ("Aliases", document.MAX_ALIASES),
    ("Characters of an alias", document.MAX_NAME),
    ("Fields of the operation itself", selecting.MAX_ROOTS),
    ("Links from one record to others", selecting.MAX_LINKS),
    ("Records on one page (`first`)", MAX_LIMIT),
    ("Records that the answer could hold", selecting.MAX_COST),
    ("Values that they could hold", selecting.MAX_VALUES),
)


async def show_guide(request: Request) -> HTMLResponse:
    """Show the page."""
    return _TEMPLATES.page(
        "guide.html", address=request.app.state.issuer, cost_of_a_total=selecting.COST_OF_A_TOTAL, limits=_LIMITS
    )


routes = [Route("/docs/graphql", show_guide, include_in_schema=False)]
