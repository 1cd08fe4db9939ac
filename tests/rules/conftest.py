"""A migrated database with nothing in it, for what commands load."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from clones import Server, named
from empty import Empty, new_database

from convenor.migrate import migrate


@pytest.fixture(scope="session")
async def migrated(server: Server) -> AsyncIterator[str]:
    async with new_database(server, "template0") as name:
        await asyncio.to_thread(migrate, named(server.owner_url, name), urlsplit(server.app_url).username or "")
        yield name


@pytest.fixture
async def empty(server: Server, migrated: str) -> AsyncIterator[Empty]:
    async with new_database(server, migrated) as name:
        yield Empty.of(server, name)
