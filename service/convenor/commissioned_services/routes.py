"""Commissioned services over REST."""

from fastapi import APIRouter

from convenor.commissioned_services.resource import SERVICES
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route

router = APIRouter(tags=["services"], route_class=GuardedRoute)
reads = [
    list_route("/v1/services", SERVICES),
    record_route("/v1/services/{id}", SERVICES),
]
