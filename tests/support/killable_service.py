"""A database and a server process over it, each of which can be killed."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool
from support.concurrent_partners import STATES, Work
from support.dataset import World, build_world

from convenor.embedded_postgres.server import open_embedded
from convenor.migrate import migrate
from convenor_auth.keys import make_keys


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
            time.sleep(0.02)

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
            assert STATES.index(states[referral]) >= STATES.index(status)
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


@contextmanager
def installed() -> Iterator[Installation]:
    """An installation of one's own, with the world in it and its server listening."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as database:
        embedded = database.enter_context(open_embedded(Path(folder), say=lambda _: None))
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        make_keys(Path(folder))
        world = asyncio.run(_build(embedded.owner_url))
        superuser_url = urlsplit(embedded.superuser_url)._replace(path=urlsplit(embedded.owner_url).path).geturl()
        installation = Installation(
            Path(folder), embedded.owner_url, embedded.app_url, superuser_url, world, _free_port(), database
        )
        try:
            installation.start()
            yield installation
        finally:
            installation.kill()
