"""Health geography over REST; it changes by a load only."""

from fastapi import APIRouter

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.networks.resource import NETWORKS

router = APIRouter(tags=["networks"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/networks", NETWORKS),
    record_route("/v1/networks/{id}", NETWORKS),
]
