"""A server of one's own with the dataset, for the tests of backups."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.databases import Server, new_database, serve
from support.dataset import Dataset, load_dataset
from support.own_installation import Own, settings_of
from support.own_server import own_server

from convenor.config import Settings
from convenor.database.login import OLDEST_MAJOR_VERSION
from convenor.migrate import migrate


@pytest.fixture(scope="module")
def oldest() -> Iterator[Server]:
    with own_server(OLDEST_MAJOR_VERSION) as server:
        migrate(server.owner_url, "convenor_app")
        yield server


@pytest.fixture(scope="module")
async def dataset_there(oldest: Server) -> Dataset:
    return await load_dataset(oldest.owner_url)


@pytest.fixture
async def own(oldest: Server, dataset_there: Dataset, tmp_path: Path) -> AsyncIterator[Own]:
    async with serve(oldest, dataset_there) as service:
        settings = settings_of(oldest, urlsplit(service.app_url).path[1:], oldest.data_dir)
        yield Own(oldest, settings, service, tmp_path)


@pytest.fixture
async def target(own: Own) -> AsyncIterator[Settings]:
    """An installation with nothing in it, not even a schema, on the same server."""
    async with new_database(own.server, "template0") as name:
        yield settings_of(own.server, name, own.folder / "target")
