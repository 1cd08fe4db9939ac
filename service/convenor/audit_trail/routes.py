"""The audit over REST."""

from fastapi import APIRouter

from convenor.audit_trail.resource import AUDIT_EVENTS
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route

router = APIRouter(tags=["audit"], route_class=GuardedRoute)
reads = [
    list_route("/v1/audit/events", AUDIT_EVENTS),
    record_route("/v1/audit/events/{id}", AUDIT_EVENTS),
]
