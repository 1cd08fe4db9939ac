"""Serving the application over a copy of the dataset, for the fixtures of all tests."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
from support.api_client import Service
from support.dataset import Dataset

from convenor.app import create_app
from convenor.audit import writer
from convenor.database import pools

ISSUER = "http://127.0.0.1:8000"

# A busy machine must not end what a test lets wait until others have come.
pools._SERVER_SETTINGS |= {"statement_timeout": "240000", "lock_timeout": "240000"}
pools.CONTROL_SECONDS = writer.FLUSH_SECONDS = 240


@dataclass
class Server:
    """The test process's own PostgreSQL."""

    superuser_url: str
    owner_url: str
    app_url: str
    data_dir: Path


def named(url: str, database: str) -> str:
    """Return the same login at another database."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


_numbers = itertools.count()


@asynccontextmanager
async def new_database(server: Server, template: str) -> AsyncIterator[str]:
    """Copy a database, and drop the copy afterwards.

    Files are copied, and not through the write-ahead log: most copies are gone before the disk has had any of them.
    """
    name = f"copy_{next(_numbers)}"
    admin = await asyncpg.connect(named(server.superuser_url, "postgres"))
    try:
        owner = urlsplit(server.owner_url).username
        await admin.execute(f"create database {name} template {template} strategy file_copy owner {owner}")
        yield name
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@asynccontextmanager
async def serve(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    """Serve the application over a copy of the dataset."""
    async with (
        new_database(server, urlsplit(server.owner_url).path[1:]) as database,
        serve_database(server, database, dataset) as service,
    ):
        yield service


@asynccontextmanager
async def serve_database(server: Server, database: str, dataset: Dataset) -> AsyncIterator[Service]:
    """Serve the application over a database that holds the dataset."""
    app = create_app(named(server.app_url, database), server.data_dir, ISSUER)
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
        urls = named(server.app_url, database), named(server.superuser_url, database)
        yield Service(http, dataset, *urls, app, server.data_dir)
