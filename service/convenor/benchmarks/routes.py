"""Benchmarks over REST; they change by a load only."""

from fastapi import APIRouter

from convenor.benchmarks.resource import BENCHMARKS
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route

router = APIRouter(tags=["benchmarks"], route_class=GuardedRoute)
reads = [
    list_route("/v1/benchmarks", BENCHMARKS),
    record_route("/v1/benchmarks/{id}", BENCHMARKS),
]
