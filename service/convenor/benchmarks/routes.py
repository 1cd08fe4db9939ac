"""Benchmarks over REST; they change by a load only."""

from fastapi import APIRouter

from convenor.benchmarks.resource import BENCHMARKS
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route

router = APIRouter(tags=["benchmarks"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/benchmarks", BENCHMARKS),
    record_route("/v1/benchmarks/{id}", BENCHMARKS),
]
