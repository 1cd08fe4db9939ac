"""What the tests of GraphQL share."""

from collections.abc import AsyncIterator

import pytest
from support.databases import Server, serve
from support.dataset import World
from support.graphql_dataset import Gathering, gather


@pytest.fixture(scope="session")
async def gathering(server: Server, world: World) -> AsyncIterator[Gathering]:
    """A rich world that no test changes."""
    async with serve(server, world) as service:
        yield await gather(service)
