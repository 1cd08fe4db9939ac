"""The audit over REST."""

from fastapi import APIRouter

from convenor.audit_trail.resource import AUDIT_EVENTS
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route

router = APIRouter(tags=["audit"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/audit/events", AUDIT_EVENTS),
    record_route("/v1/audit/events/{id}", AUDIT_EVENTS),
]
