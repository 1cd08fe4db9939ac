"""The parent process of the service: it holds the data folder, the port and the database, and stops what it started.

Order matters: whatever could be refused (another Convenor on the folder, a port in use) is refused before anything is
started, and what was started is stopped in reverse once the requests in flight have been answered.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from convenor.app import create_app
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.demo_mark import holds_demo
from convenor.embedded_postgres.open import Database, open_database
from convenor.embedded_postgres.server import UNWRITABLE
from convenor.embedded_postgres.watch import watched
from convenor.process import configure_server, enter_lifespan, serve_application
from convenor.revision import is_current, present_revision
from convenor.startup_errors import explain_failure
from convenor.workers import serve_with_workers
from convenor_auth.clients import has_clients
from convenor_auth.keys import make_keys

LOCK_FILE = "serve.lock"
_BACKLOG = 2048


@contextmanager
def hold_data_folder(data_dir: Path, address: str) -> Iterator[None]:
    """Makes this process the one that serves a data folder; the lock ends with the process, however it ends.

    Args:
        data_dir: Convenor's data folder; made, for its owner only, where it is missing.
        address: Where it will serve, for whoever tries a second time.

    Raises:
        ConfigurationError: Another process serves it, or the folder cannot be written to.
    """
    unwritable = f"The data folder {data_dir} cannot be written to"
    with explain_failure(unwritable, UNWRITABLE):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    # Unbuffered: what a full disk has refused would be written once more when the file is closed.
    with os.fdopen(handle, "r+b", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"Convenor serves {data_dir} already: {lock.read().decode().strip()}.",
                "Use that one, stop it, or set CONVENOR_DATA_DIR (and CONVENOR_PORT) for a second.",
            ) from None
        with explain_failure(unwritable, UNWRITABLE):
            lock.truncate()
            lock.write(f"process {os.getpid()} at {address}\n".encode())
        yield


@contextmanager
def hold_port(host: str, port: int) -> Iterator[socket.socket]:
    """Takes the port without listening on it yet: until the service is ready, callers are turned away.

    Raises:
        ConfigurationError: The port is in use or not ours to take, or the host is not an address of this machine.
    """
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind)
    except OSError as error:
        raise _no_port(host, port, error) from error
    with taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(address)
        except OSError as error:
            raise _no_port(host, port, error) from error
        yield taken


def database_urls(settings: Settings) -> tuple[str | None, str | None]:
    """The application's address and the owner's, as they are set."""
    secrets = settings.database_url, settings.owner_database_url
    url, owner = (secret.get_secret_value() if secret else None for secret in secrets)
    return url, owner


@contextmanager
def open_migrated(settings: Settings, say: Callable[[str], None]) -> Iterator[Database]:
    """The database, brought to this version's schema where the owner's login is known.

    Raises:
        ConfigurationError: It cannot be used, or is at another schema and there is no owner's login to migrate it with.
    """
    with open_database(settings.data_dir, *database_urls(settings), say=say) as database:
        with explain_failure(
            "The database cannot be brought to this version's schema", "Correct that, then start again."
        ):
            _bring_to_schema(database, say)
        yield database


def _bring_to_schema(database: Database, say: Callable[[str], None]) -> None:
    if database.owner_url:
        # Alembic is no worker's business: each would carry 11 MB of it.
        from convenor.migrate import migrate

        migrate(database.owner_url, database.app_role, say)
    elif not is_current(asyncio.run(present_revision(database.app_url))):
        raise ConfigurationError(
            "The database is not at this version's schema, and only the application's login is known.",
            "Set CONVENOR_OWNER_DATABASE_URL to the owner's login, or run `convenor migrate` with it.",
        )


def prepare_keys(data_dir: Path, database_url: str, *, new_keys: bool = False) -> None:
    """Make the keys of a new installation. Those that clients rely on are never replaced unasked.

    Args:
        data_dir: Convenor's data folder.
        database_url: The database, at this version's schema, with either login.
        new_keys: Whether to make what is missing even where the database has clients.

    Raises:
        ConfigurationError: The data folder cannot be written to.
    """
    if new_keys or not asyncio.run(has_clients(database_url)):
        make_keys(data_dir)


def assert_local(settings: Settings) -> None:
    """Check that a demo, whose clients' secrets are in a file, is served on this machine alone.

    Raises:
        ConfigurationError: It would listen on other addresses than loopback's, or be known under one.
    """
    if not settings.is_local:
        raise ConfigurationError(
            f"A demo is for this machine alone, and not for {settings.host} under {settings.issuer}: "
            "whoever has the file with its clients' secrets could call it.",
            "Unset CONVENOR_HOST and CONVENOR_PUBLIC_URL to use a demo here. "
            "To serve partners, set CONVENOR_DATA_DIR and CONVENOR_DATABASE_URL to an installation without a demo.",
        )


def serve(settings: Settings, database: Database, port: socket.socket, ready: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM, then finishes the requests in flight.

    Args:
        settings: Workers, data folder and issuer.
        database: Open for as long as this lasts.
        port: Bound, not listening.
        ready: Called once callers are let in.

    Raises:
        ConfigurationError: What a person must mend before the application can run.
    """
    if asyncio.run(holds_demo(database.app_url)):
        assert_local(settings)
    make = partial(create_app, database.app_url, settings.data_dir, settings.issuer, settings.workers)
    try:
        port.listen(_BACKLOG)
    except OSError as error:
        raise _no_port(settings.host, settings.port, error) from error
    config = configure_server(make, factory=True, workers=settings.workers)
    with watched(settings.data_dir) if database.embedded else nullcontext():
        if settings.workers == 1:
            config.load()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve_application(uvicorn.Server(config), port, ready))
        else:
            # Whatever would refuse to start in every worker refuses here, once, in words.
            asyncio.run(_try(make()))
            serve_with_workers(config, port, ready)


async def _try(app: FastAPI) -> None:
    async with AsyncExitStack() as stack:
        await enter_lifespan(stack, app)


def _no_port(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"Convenor cannot listen on {host}, port {port}: {error.strerror}.",
        "Stop what listens there, or set CONVENOR_PORT (and CONVENOR_HOST) to a free one.",
    )
