"""A migrated database with nothing in it, for what commands load."""

from collections.abc import AsyncIterator

import pytest
from support.databases import Server, new_database
from support.empty_databases import Empty


@pytest.fixture
async def empty(server: Server, migrated: str) -> AsyncIterator[Empty]:
    async with new_database(server, migrated) as name:
        yield Empty.of(server, name)
