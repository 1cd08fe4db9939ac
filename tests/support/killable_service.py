"""A database and a service over it, each of which can be killed."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from support.concurrent_partners import STATES, Work
from support.dataset import Dataset, load_dataset
from support.installation import Installation

from convenor.embedded_postgres.server import open_embedded
from convenor.migrate import migrate
from convenor_auth.keys import make_keys


@dataclass
class KillableService:
    """An installation with the dataset in it. Its database runs beside the service, as a server of one's own does."""

    installation: Installation
    dataset: Dataset
    superuser_url: str
    database: ExitStack

    @property
    def url(self) -> str:
        """Return where it serves."""
        return self.installation.url

    def kill(self) -> None:
        """End the service with SIGKILL, and leave the database alone."""
        self.installation.stop(signal.SIGKILL)

    def kill_database(self) -> None:
        """End the main process of the database with SIGKILL, and leave the service alone."""
        recorded = self.installation.data_dir / "postgres" / "postmaster.pid"
        os.kill(int(recorded.read_text().split()[0]), signal.SIGKILL)

    def start_database(self) -> None:
        """Start the database again after it was killed."""
        self.database.close()
        self.database.enter_context(open_embedded(self.installation.data_dir, say=lambda _sentence: None))

    async def assert_kept(self, work: Work) -> None:
        """Assert that every acknowledged write is there, with its audit event."""
        connection = await asyncpg.connect(self.superuser_url)
        states = dict(await connection.fetch("select id::text, status from referral"))
        events = {row[0] for row in await connection.fetch("select request_id from audit_event")}
        await connection.close()
        for referral, (status, request_id) in work.acknowledged.items():
            # A later step may have been stored whose answer never arrived.
            assert STATES.index(states[referral]) >= STATES.index(status)
            assert request_id in events


@contextmanager
def killable_service() -> Iterator[KillableService]:
    """Make one, with the dataset in it and its service listening."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as database:
        data_dir = Path(folder)
        embedded = database.enter_context(open_embedded(data_dir, say=lambda _sentence: None))
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        make_keys(data_dir)
        dataset = asyncio.run(load_dataset(embedded.owner_url))
        superuser_url = urlsplit(embedded.superuser_url)._replace(path=urlsplit(embedded.owner_url).path).geturl()
        urls = {"CONVENOR_DATABASE_URL": embedded.app_url, "CONVENOR_OWNER_DATABASE_URL": embedded.owner_url}
        installation = Installation(data_dir, settings=urls)
        try:
            installation.start()
            yield KillableService(installation, dataset, superuser_url, database)
        finally:
            if installation.serving is not None:
                installation.stop(signal.SIGKILL)
