"""A real PostgreSQL for each test process, migrated once and copied for each test; the real application over it."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from support.api_client import Service
from support.databases import Server, named, new_database, serve
from support.dataset import Dataset, load_dataset
from support.own_server import own_server
from support.tiers import choose_long_form, is_fast, running, watch_fast_tests
from support.watchdog import watchdog

from convenor.embedded_postgres.server import MAJOR_VERSION, open_embedded
from convenor.migrate import migrate
from convenor_auth.keys import make_keys


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("convenor")
    group.addoption("--long", action="store_true", help="run each test that has a long form in that form")
    group.addoption(
        "--postgres",
        type=int,
        default=MAJOR_VERSION,
        help="the PostgreSQL of the wheel to test on",
    )


def pytest_configure(config: pytest.Config) -> None:
    choose_long_form(config.getoption("--long"))
    watch_fast_tests()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # As under nohup. What ignores a signal passes that on to its commands, which must hear it; a handler it keeps.
        signal.signal(signal.SIGHUP, lambda *_received: None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_fast(item):
            item.add_marker("fast")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    running(item)
    try:
        yield
    finally:
        running(None)


@pytest.fixture(scope="session", autouse=True)
def no_process_left() -> Iterator[None]:
    """Ends what the tests started once this process is gone."""
    with watchdog():
        yield


async def do_not_wait_for_the_disk(superuser_url: str) -> None:
    """Let the server trust that the machine outlives the tests. Those of crashes start servers of their own."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("alter system set fsync = off")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


@contextmanager
def embedded() -> Iterator[Server]:
    # Not pytest's own folder: another session may tidy it away under a running server, and the path may be too long.
    with tempfile.TemporaryDirectory() as folder, open_embedded(Path(folder), say=lambda _sentence: None) as running:
        asyncio.run(do_not_wait_for_the_disk(running.superuser_url))
        make_keys(Path(folder))
        yield Server(running.superuser_url, running.owner_url, running.app_url, Path(folder))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, no_process_left: None) -> Iterator[Server]:
    version = request.config.getoption("--postgres")
    with embedded() if version == MAJOR_VERSION else own_server(version) as started:
        migrate(started.owner_url, urlsplit(started.app_url).username or "")
        yield started


@pytest.fixture(scope="session")
async def migrated(server: Server) -> AsyncIterator[str]:
    """A migrated database with nothing in it, to be copied."""
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
