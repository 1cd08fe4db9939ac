"""The composition root: which features there are, and what a worker holds while it serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

import convenor.model_registry  # noqa: F401 - a foreign key is resolved only when every table is known
from convenor.audit.writer import AuditWriter
from convenor.database.background import repeat
from convenor.database.idempotency import PURGE_EACH_SECONDS, purge_expired
from convenor.database.pools import connect
from convenor.features import FEATURES
from convenor.health import routes as health
from convenor.health.readiness import Readiness
from convenor.http.bulk import LOADS_AT_ONCE
from convenor.http.exception_handlers import answer_problem
from convenor.http.middleware.request import Paths, RequestMiddleware
from convenor.http.openapi.builder import build_contract
from convenor.http.route_index import RouteIndex
from convenor.http.write_routes import Replay, answer_replay
from convenor.openapi_metadata import INFO, SECTIONS
from convenor.pages import routes as pages
from convenor.problems import Problem
from convenor_auth import routes as door_routes
from convenor_auth.metadata import TOKEN_PATH
from convenor_auth.oauth_services import open_oauth_services
from convenor_auth.revocation import HEARTBEAT_SECONDS, watch
from convenor_auth.roles import SCOPES
from convenor_graphql import explorer, guide
from convenor_graphql.http import PATH as GRAPHQL_PATH
from convenor_graphql.http import GraphQLEndpoint
from convenor_graphql.schema import graphql_api


def create_app(app_url: str, data_dir: Path, issuer: str, workers: int = 1) -> FastAPI:
    """The application of one worker.

    Args:
        app_url: the database, with the application's login.
        data_dir: where the service's own keys are.
        issuer: the address under which clients know this service.
        workers: how many such workers share the database.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect(app_url, workers) as connections:
            app.state.readers, app.state.sessions = connections.readers, connections.sessions
            app.state.load_turns = asyncio.Semaphore(LOADS_AT_ONCE)
            app.state.oauth = open_oauth_services(issuer, data_dir, connections.sessions, connections.readers)
            app.state.verifier = app.state.oauth.verifier
            app.state.audit_writer = AuditWriter(connections.auditors)
            app.state.readiness = Readiness(connections.open_probe)
            watches = partial(watch, lambda: asyncpg.connect(app_url), app.state.verifier)
            beside = [
                asyncio.create_task(repeat(*each))
                for each in (
                    ("watching for changed clients", watches, HEARTBEAT_SECONDS),
                    ("forgetting of old answers", partial(purge_expired, connections.sessions), PURGE_EACH_SECONDS),
                )
            ]
            try:
                async with app.state.audit_writer:
                    yield
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.wait(beside)
                await app.state.readiness.close()

    app = FastAPI(
        title="Convenor", lifespan=lifespan, redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.issuer = issuer
    app.add_exception_handler(Replay, answer_replay)
    for kind in (Problem, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_problem)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, pages.answer_unknown_address)
    # First, since routes are tried in turn.
    app.router.routes.extend([GraphQLEndpoint(graphql_api()).route, *explorer.routes, *guide.routes])
    for feature in FEATURES:
        app.router.routes.extend([*feature.read_routes, *feature.router.routes])
    app.router.routes.extend([*door_routes.router.routes, *health.router.routes, *pages.routes])
    for route in app.router.routes:
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            route.methods = {"GET", "HEAD"}  # as Starlette does for its own routes (RFC 9110 section 9.1)
    app.state.routes = app.router.routes
    # Made when it is first asked for: most workers of a test, and no command, ever need it.
    app.openapi = cache(  # type: ignore[method-assign]
        partial(build_contract, app.state.routes, info=INFO, tags=SECTIONS, scopes=SCOPES)
    )
    app.add_middleware(RouteIndex, [route for feature in FEATURES for route in feature.read_routes])
    app.add_middleware(
        RequestMiddleware, Paths(partners="/v1/", shared=GRAPHQL_PATH, tokens=TOKEN_PATH, bulk="/v1/bulk/")
    )
    return app
