"""What the tests of GraphQL share."""

from collections.abc import AsyncIterator

import pytest
from clones import Server, serve
from gql.gathering import Gathering, gather
from world import World


@pytest.fixture(scope="session")
async def gathering(server: Server, world: World) -> AsyncIterator[Gathering]:
    """A rich world that no test changes."""
    async with serve(server, world) as service:
        yield await gather(service)
