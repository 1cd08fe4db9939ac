"""Run the parent process of the service, which holds the data folder, the port and the database.

Order matters: check for everything that can be refused (another Convenor on the folder, a port in use) before starting
anything. Stop in the reverse order, after the requests in flight have been answered.
"""

import asyncio
import fcntl
import os
import socket
import stat
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
from convenor_auth.key_check import settle_keys
from convenor_auth.keys import RENEWABLE_FILES, make_keys

LOCK_FILE = "serve.lock"
RESTORE_MARK = "restore.unfinished"
"""The file that marks a data folder from the first change of a restore to its end."""
OPEN_TO_OTHERS = 0o066
"""The permissions that nobody else may have on the data folder. PostgreSQL's own system user may pass through."""
_BACKLOG = 2048


@contextmanager
def hold_data_folder(data_dir: Path, address: str, say: Callable[[str], None]) -> Iterator[None]:
    """Lock a data folder for this process, and close it to others. The lock ends with the process, even after a crash.

    Args:
        data_dir: Convenor's data folder; created, for its owner only, if it is missing.
        address: The service's address, for the error message of a second process.
        say: Prints a sentence about a folder that was open.

    Raises:
        ConfigurationError: Another process uses the folder, it is not writable, or it is open to others and belongs to
            somebody else.
    """
    unwritable = f"The data folder {data_dir} cannot be written to"
    with explain_failure(unwritable, UNWRITABLE):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(data_dir, say)
        handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    # Unbuffered, because a buffered write that a full disk refused would be repeated when the file is closed.
    with os.fdopen(handle, "r+b", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"Convenor is already running with {data_dir}: {lock.read().decode().strip()}.",
                "Use that one, stop it, or set CONVENOR_DATA_DIR and CONVENOR_PORT for a second one.",
            ) from None
        with explain_failure(unwritable, UNWRITABLE):
            lock.truncate()
            lock.write(f"process {os.getpid()} at {address}\n".encode())
        yield


def _close_to_others(data_dir: Path, say: Callable[[str], None]) -> None:
    """Close a folder that existed: keys lie in it, and whoever may write there could replace them."""
    mode = stat.S_IMODE(data_dir.stat().st_mode)
    if not mode & OPEN_TO_OTHERS:
        return
    try:
        data_dir.chmod(mode & ~OPEN_TO_OTHERS)
    except PermissionError as error:
        raise ConfigurationError(
            f"The data folder {data_dir} is open to others, and belongs to another system user.",
            f"Let its owner run `chmod 700 {data_dir}`, or set CONVENOR_DATA_DIR to a new folder within it.",
        ) from error
    say(f"The data folder {data_dir} was open to others; it is closed to them now.")


@contextmanager
def hold_port(host: str, port: int) -> Iterator[socket.socket]:
    """Bind the port without listening, so that connections are refused until the service is ready.

    Raises:
        ConfigurationError: The port is in use or not permitted, or the host is not an address of this machine.
    """
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise _no_port(host, port, error) from error
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            raise _no_port(host, port, error) from error
        yield bound


def database_urls(settings: Settings) -> tuple[str | None, str | None]:
    """Return the configured addresses of the application's login and the owner's."""
    secrets = settings.database_url, settings.owner_database_url
    url, owner = (secret.get_secret_value() if secret else None for secret in secrets)
    return url, owner


def refuse_unfinished_restore(data_dir: Path) -> None:
    """Refuse a data folder whose restore has not finished: it can have the keys without the rows.

    Raises:
        ConfigurationError: The folder is marked.
    """
    if os.path.lexists(data_dir / RESTORE_MARK):
        raise ConfigurationError(
            f"A restore into {data_dir} has not finished.",
            "If it is not running, run `convenor restore` with the same backup again, which completes it. To start "
            "without the backup, set CONVENOR_DATA_DIR to a new folder.",
        )


@contextmanager
def open_migrated(settings: Settings, say: Callable[[str], None]) -> Iterator[Database]:
    """Open the database, and migrate it if the owner's login is known. A new embedded one gets its keys.

    Raises:
        ConfigurationError: It cannot be used, a restore into it has not finished, or it needs a migration and the
            owner's login is not known. Or a key of an embedded one is lost.
    """
    refuse_unfinished_restore(settings.data_dir)
    with open_database(settings.data_dir, *database_urls(settings), say=say) as database:
        with explain_failure(
            "The database cannot be migrated to this version's schema", "Correct that, then start again."
        ):
            _migrate(database, say)
        if database.embedded:
            # The folder of an embedded database is that of its keys. So keys that are missing later are lost.
            prepare_first_keys(settings.data_dir, database.app_url)
        yield database


def _migrate(database: Database, say: Callable[[str], None]) -> None:
    if database.owner_url:
        # Imported here, because Alembic would add 11 MB to each worker.
        from convenor.migrate import migrate

        migrate(database.owner_url, database.app_role, say)
    elif not is_current(asyncio.run(present_revision(database.app_url))):
        raise ConfigurationError(
            "The database is not at this version's schema, and only the application's login is known.",
            "Set CONVENOR_OWNER_DATABASE_URL to the owner's login, or run `convenor migrate` with it.",
        )


def prepare_keys(data_dir: Path, database_url: str, *, new_keys: bool = False) -> None:
    """Make the keys of a new installation, and those that an older one lacks. A lost key is not made anew.

    Args:
        data_dir: Convenor's data folder.
        database_url: The database, at this version's schema, with either login.
        new_keys: Whether to make a missing key of tokens or pseudonyms even if the database has clients.

    Raises:
        ConfigurationError: The data folder cannot be written to, or a key is lost or another database's.
    """
    if new_keys or not asyncio.run(has_clients(database_url)):
        make_keys(data_dir, RENEWABLE_FILES)
    asyncio.run(settle_keys(database_url, data_dir))


def prepare_first_keys(data_dir: Path, database_url: str) -> None:
    """Make the keys of an installation that has no client yet. A command may run beside a service with other folders.

    Args:
        data_dir: Convenor's data folder.
        database_url: The database, at this version's schema, with either login.

    Raises:
        ConfigurationError: As `prepare_keys`.
    """
    if not asyncio.run(has_clients(database_url)):
        prepare_keys(data_dir, database_url)


def assert_local(settings: Settings) -> None:
    """Check that a demo, whose clients' secrets are in a file, is served to this machine only.

    Raises:
        ConfigurationError: The host or the public address is not a loopback address.
    """
    if not settings.is_local:
        raise ConfigurationError(
            f"A demo is for this machine only, and not for {settings.host} under {settings.issuer}: "
            "anybody with the file of its clients' secrets could call it.",
            "Unset CONVENOR_HOST and CONVENOR_PUBLIC_URL to use a demo here. "
            "To serve partners, set CONVENOR_DATA_DIR and CONVENOR_DATABASE_URL to an installation without a demo.",
        )


def serve(settings: Settings, database: Database, port: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight.

    Args:
        settings: Workers, data folder and issuer.
        database: The open database.
        port: The bound socket, not yet listening.
        ready: Called once the service accepts requests.

    Raises:
        ConfigurationError: The application cannot start.
    """
    if asyncio.run(holds_demo(database.app_url)):
        assert_local(settings)
    # A demo that is loaded later is refused request by request.
    make = partial(
        create_app, database.app_url, settings.data_dir, settings.issuer, settings.workers, local=settings.is_local
    )
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
            # Try once here, so that an error which would stop every worker is reported once.
            asyncio.run(_try(make()))
            serve_with_workers(config, port, ready)


async def _try(app: FastAPI) -> None:
    async with AsyncExitStack() as stack:
        await enter_lifespan(stack, app)


def _no_port(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"Convenor cannot listen on {host}, port {port}: {error.strerror}.",
        "Stop the program that listens there, or set CONVENOR_PORT (and CONVENOR_HOST) to a free one.",
    )
