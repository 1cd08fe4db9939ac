"""Schools over REST."""

from fastapi import APIRouter

from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route
from convenor.schools.resource import SCHOOLS

router = APIRouter(tags=["schools"], route_class=GuardedRoute)
reads = [
    list_route("/v1/schools", SCHOOLS),
    record_route("/v1/schools/{urn}", SCHOOLS, "urn"),
]
