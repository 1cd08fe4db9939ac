"""A migrated database with nothing in it, for what commands load."""

from collections.abc import AsyncIterator

import pytest
from support.databases import Server
from support.empty_databases import Empty, new_database


@pytest.fixture
async def empty(server: Server, migrated: str) -> AsyncIterator[Empty]:
    async with new_database(server, migrated) as name:
        yield Empty.of(server, name)
