"""Pathways over REST."""

from fastapi import APIRouter

from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route
from convenor.pathways.resource import PATHWAYS

router = APIRouter(tags=["pathways"], route_class=GuardedRoute)
reads = [
    list_route("/v1/pathways", PATHWAYS),
    record_route("/v1/pathways/{code}", PATHWAYS, "code"),
]
