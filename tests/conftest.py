"""A real PostgreSQL for each test process, migrated once and cloned for each test; the real application over it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.api_client import Service
from support.databases import Server, named, serve
from support.dataset import Dataset, load_dataset
from support.empty_databases import new_database

from convenor.embedded_postgres.server import open_embedded
from convenor.migrate import migrate
from convenor_auth.keys import make_keys


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not pytest's own folder: another session may tidy it away under a running server, and the path may be too long.
    with tempfile.TemporaryDirectory() as folder, open_embedded(Path(folder), say=lambda _sentence: None) as embedded:
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        make_keys(Path(folder))
        yield Server(embedded.superuser_url, embedded.owner_url, embedded.app_url, Path(folder))


@pytest.fixture(scope="session")
async def migrated(server: Server) -> AsyncIterator[str]:
    """A migrated database with nothing in it, to be cloned."""
    async with new_database(server, "template0") as name:
        await asyncio.to_thread(migrate, named(server.owner_url, name), urlsplit(server.app_url).username or "")
        yield name


@pytest.fixture(scope="session")
async def dataset(server: Server) -> Dataset:
    return await load_dataset(server.owner_url)


@pytest.fixture
async def service(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    """The application over a dataset of the test's own."""
    async with serve(server, dataset) as served:
        yield served


@pytest.fixture(scope="session")
async def shared_service(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    """The application over a dataset that all tests share: for tests that change nothing in it."""
    async with serve(server, dataset) as served:
        yield served
