"""A real PostgreSQL for each test process, migrated once and cloned for each test; the real application over it."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest
from partner import Service
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool
from world import World, build_world

from convenor.app import create_app
from convenor.kit.embedded import open_embedded
from convenor.migrate import migrate

ISSUER = "http://127.0.0.1:8000"


@dataclass
class Server:
    """The test process's own PostgreSQL."""

    superuser_url: str
    owner_url: str
    app_url: str
    data_dir: Path


def named(url: str, database: str) -> str:
    """The same login at another database."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not pytest's own folder: another session may tidy it away under a running server, and the path may be too long.
    with tempfile.TemporaryDirectory() as folder, open_embedded(Path(folder), say=lambda _sentence: None) as embedded:
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        yield Server(embedded.superuser_url, embedded.owner_url, embedded.app_url, Path(folder))


@pytest.fixture(scope="session")
async def world(server: Server) -> World:
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(server.owner_url)
    )
    async with AsyncSession(engine) as session, session.begin():
        built = await build_world(session)
    await engine.dispose()
    return built


_numbers = itertools.count()


@asynccontextmanager
async def serve(server: Server, world: World) -> AsyncIterator[Service]:
    """The application over a clone of the world."""
    database = f"clone_{next(_numbers)}"
    admin = await asyncpg.connect(named(server.superuser_url, "postgres"))
    try:
        await admin.execute(f"create database {database} template {urlsplit(server.owner_url).path[1:]}")
        app = create_app(named(server.app_url, database), server.data_dir, ISSUER)
        transport = httpx2.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
            urls = named(server.app_url, database), named(server.superuser_url, database)
            yield Service(http, world, *urls, app, server.data_dir)
        await admin.execute(f"drop database {database} with (force)")
    finally:
        await admin.close()


@pytest.fixture
async def service(server: Server, world: World) -> AsyncIterator[Service]:
    """The application over a world of the test's own."""
    async with serve(server, world) as served:
        yield served


@pytest.fixture(scope="session")
async def standing(server: Server, world: World) -> AsyncIterator[Service]:
    """The application over a world that all tests share: for tests that change nothing in it."""
    async with serve(server, world) as served:
        yield served
