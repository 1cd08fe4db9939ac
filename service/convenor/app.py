"""Compose the application: its features, its middleware, and the services of a worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

import convenor.model_registry  # noqa: F401 - a foreign key is resolved only when every table is known
from convenor.audit.writer import AuditWriter
from convenor.database.background import repeat
from convenor.database.idempotency import PURGE_EACH_SECONDS, purge_expired
from convenor.database.pending_work import IDLE_SECONDS, work
from convenor.database.pools import CLOSE_SECONDS, connect
from convenor.features import FEATURES, RESOURCES, TASKS
from convenor.health import routes as health
from convenor.health.readiness import Readiness
from convenor.http.bulk import IMPORTS_AT_ONCE
from convenor.http.dependencies import answer_replay
from convenor.http.exception_handlers import WriteFailed, answer_problem
from convenor.http.middleware.audit import AuditMiddleware
from convenor.http.middleware.authentication import AuthenticationMiddleware
from convenor.http.middleware.body import BodyMiddleware
from convenor.http.middleware.limits import LimitsMiddleware
from convenor.http.middleware.problems import ProblemMiddleware
from convenor.http.middleware.request_context import Paths, RequestContextMiddleware
from convenor.http.middleware.security_headers import SecurityHeadersMiddleware
from convenor.http.openapi.builder import build_contract
from convenor.http.route_index import index_routes, routes_of
from convenor.http.services import AppServices
from convenor.http.write_context import Replay
from convenor.http.write_queues import WriteQueues
from convenor.openapi_metadata import INFO, SECTIONS
from convenor.pages import routes as pages
from convenor.problems import Problem
from convenor.read_model.sealed_rows import SEALER
from convenor_auth import routes as oauth_routes
from convenor_auth.keys import load_secret_keys
from convenor_auth.metadata import TOKEN_PATH
from convenor_auth.oauth_services import OAuthServices, open_oauth_services
from convenor_auth.revocation import HEARTBEAT_SECONDS, watch
from convenor_auth.roles import SCOPES
from convenor_graphql import explorer, guide
from convenor_graphql.http import PATH as GRAPHQL_PATH
from convenor_graphql.http import GraphQLEndpoint
from convenor_graphql.schema import graphql_api

MIDDLEWARE = [
    Middleware(
        RequestContextMiddleware, Paths(partners="/v1/", shared=GRAPHQL_PATH, tokens=TOKEN_PATH, bulk="/v1/bulk/")
    ),
    Middleware(SecurityHeadersMiddleware),
    Middleware(AuditMiddleware),
    Middleware(ProblemMiddleware),
    Middleware(LimitsMiddleware),
    Middleware(AuthenticationMiddleware),
    Middleware(BodyMiddleware),
]
"""From the outermost to the innermost; `convenor.http.middleware` says why in this order."""


def create_app(app_url: str, data_dir: Path, issuer: str, workers: int = 1, *, local: bool = False) -> FastAPI:
    """Create the application of one worker.

    Args:
        app_url: the database, with the application's login.
        data_dir: where the service's own keys are.
        issuer: the address under which clients know this service.
        workers: how many such workers share the database.
        local: whether only this machine can call; only then may a demo's clients.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connect(app_url, workers, {SEALER: load_secret_keys(data_dir).sealer}) as connections:
            oauth = open_oauth_services(issuer, data_dir, connections.sessions, connections.readers, local=local)
            audit_writer = AuditWriter(connections.auditors)
            readiness = Readiness(connections.open_probe, audit_writer)
            services = AppServices(
                issuer=issuer,
                readers=connections.readers,
                sessions=connections.sessions,
                write_queues=WriteQueues(),
                audit_writer=audit_writer,
                verifier=oauth.verifier,
                bulk_turns=asyncio.Semaphore(IMPORTS_AT_ONCE),
                resources=RESOURCES,
                others={OAuthServices: oauth, Readiness: readiness},
            )
            services.provide(app)
            watches = partial(watch, lambda: asyncpg.connect(app_url), oauth.verifier)
            background = [
                asyncio.create_task(repeat(*each))
                for each in (
                    ("watching for changed clients", watches, HEARTBEAT_SECONDS),
                    ("pending work", partial(work, connections.open_worker, TASKS), IDLE_SECONDS),
                    (
                        "deletion of expired idempotency keys",
                        partial(purge_expired, connections.sessions),
                        PURGE_EACH_SECONDS,
                    ),
                )
            ]
            try:
                async with services.audit_writer:
                    yield
            finally:
                for task in background:
                    task.cancel()
                await asyncio.wait(background, timeout=CLOSE_SECONDS)
                await readiness.close()

    app = FastAPI(
        title="Convenor",
        lifespan=lifespan,
        middleware=MIDDLEWARE,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_exception_handler(Replay, answer_replay)
    for kind in (Problem, WriteFailed, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer_problem)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, pages.answer_unknown_address)
    app.router.routes.extend([GraphQLEndpoint(graphql_api()).route, *explorer.routes, *guide.routes])
    for feature in FEATURES:
        app.include_router(feature.router)
    app.include_router(oauth_routes.router)
    app.include_router(health.router)
    app.router.routes.extend(pages.routes)
    index_routes(app)
    # Built on first use, because few tests and no command need it.
    app.openapi = cache(  # type: ignore[method-assign]
        partial(build_contract, routes_of(app), info=INFO, tags=SECTIONS, scopes=SCOPES)
    )
    return app
