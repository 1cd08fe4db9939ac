"""Health geography over REST; it changes by a load only."""

from fastapi import APIRouter

from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route
from convenor.networks.resource import NETWORKS

router = APIRouter(tags=["networks"], route_class=GuardedRoute)
reads = [
    list_route("/v1/networks", NETWORKS),
    record_route("/v1/networks/{id}", NETWORKS),
]
