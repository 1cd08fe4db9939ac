"""Pathways over REST."""

from fastapi import APIRouter

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.pathways.resource import PATHWAYS

router = APIRouter(tags=["pathways"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/pathways", PATHWAYS),
    record_route("/v1/pathways/{code}", PATHWAYS, "code"),
]
