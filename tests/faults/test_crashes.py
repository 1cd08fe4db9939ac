"""Fifty partners at once, and a server or a database killed under them: what was acknowledged is there."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from faults.partners_at_work import Work
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool
from world import World, build_world

from convenor.kit.embedded import open_embedded
from convenor.migrate import migrate

PARTNERS = 50


@dataclass
class Installation:
    """A database and a server process over it, each of which can be killed."""

    data_dir: Path
    owner_url: str
    app_url: str
    superuser_url: str
    world: World
    port: int
    database: ExitStack
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        environment = os.environ | {
            "SERVED_APP_URL": self.app_url,
            "SERVED_DATA_DIR": str(self.data_dir),
            "SERVED_ISSUER": self.base_url,
        }
        command = [sys.executable, "-m", "uvicorn", "served:app", "--app-dir", str(Path(__file__).parent)]
        command += ["--port", str(self.port), "--log-level", "critical", "--no-access-log"]
        self.process = subprocess.Popen(command, env=environment)
        while not _listens(self.port):
            assert self.process.poll() is None, "the server did not start"

    def kill(self) -> None:
        """Ends the server with -9."""
        assert self.process
        self.process.kill()
        self.process.wait()

    async def assert_kept(self, work: Work) -> None:
        """Every acknowledged write is there, with its audit event."""
        connection = await asyncpg.connect(self.superuser_url)
        states = dict(await connection.fetch("select id::text, status from referral"))
        events = {row[0] for row in await connection.fetch("select request_id from audit_event")}
        await connection.close()
        for referral, (status, request_id) in work.acknowledged.items():
            # A later step may have been stored whose answer never arrived.
            assert states[referral] in (status, "accepted")
            assert request_id in events


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def _build(owner_url: str) -> World:
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(owner_url)
    )
    async with AsyncSession(engine) as session, session.begin():
        world = await build_world(session)
    await engine.dispose()
    return world


@pytest.fixture
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as database:
        embedded = database.enter_context(open_embedded(Path(folder), say=lambda _: None))
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        world = asyncio.run(_build(embedded.owner_url))
        superuser_url = urlsplit(embedded.superuser_url)._replace(path=urlsplit(embedded.owner_url).path).geturl()
        installed = Installation(
            Path(folder), embedded.owner_url, embedded.app_url, superuser_url, world, _free_port(), database
        )
        installed.start()
        yield installed
        installed.kill()


def test_fifty_partners_at_once_lose_no_write_and_meet_no_fault(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world)
    asyncio.run(work.run(PARTNERS, rounds=6))
    assert set(work.answers) <= {200, 201}, work.answers
    assert len(work.acknowledged) == PARTNERS * 6
    assert {status for status, _ in work.acknowledged.values()} == {"accepted"}
    asyncio.run(installation.assert_kept(work))


def test_a_server_killed_under_fifty_partners_keeps_what_it_acknowledged(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=1_000))
        await work.hundred.wait()
        installation.kill()
        await working

    asyncio.run(kill_in_the_middle())
    assert work.lost_connections == PARTNERS
    asyncio.run(installation.assert_kept(work))
    installation.start()
    after = Work(installation.base_url, installation.world)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}


def test_a_database_killed_under_fifty_partners_keeps_what_was_acknowledged(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=8))
        await work.hundred.wait()
        postmaster = int((installation.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        await working

    asyncio.run(kill_in_the_middle())
    assert set(work.answers) <= {200, 201, 503}, work.answers
    assert work.answers[503]
    assert work.without_retry_after == 0
    installation.database.close()
    installation.database.enter_context(open_embedded(installation.data_dir, say=lambda _: None))
    asyncio.run(installation.assert_kept(work))
    after = Work(installation.base_url, installation.world)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}, after.answers
