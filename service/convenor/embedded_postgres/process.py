"""Find, stop and clean up the processes of one PostgreSQL cluster."""

import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from convenor.configuration_error import ConfigurationError

PORT = 5432
"""Only a part of the socket's name, because the server does not listen on TCP."""

_STOP_SECONDS = 60


@dataclass(frozen=True)
class PidFile:
    """The content of a cluster's `postmaster.pid`, which may be stale.

    Source: PostgreSQL documentation, "Database File Layout"; src/include/utils/pidfile.h.
    """

    pid: int
    socket_folder: Path
    ready: bool


def read_pid_file(cluster: Path) -> PidFile | None:
    """Read `postmaster.pid`; None if it is missing or incomplete.

    Raises:
        OSError: It cannot be read, which means nothing about the server.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return PidFile(int(lines[0]), Path(lines[4]), "".join(lines[7:8]).strip() == "ready")
    except (FileNotFoundError, ValueError, IndexError):
        return None


def listens(cluster: Path) -> bool:
    """Check whether a server, ready or starting, listens on the cluster's socket.

    Raises:
        OSError: The check failed.
    """
    recorded = read_pid_file(cluster)
    if recorded is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(recorded.socket_folder / f".s.PGSQL.{PORT}"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def postmaster(cluster: Path) -> psutil.Process | None:
    """Find the cluster's main process if it is alive, and not another process with its old number.

    Raises:
        OSError: The check failed.
    """
    recorded = read_pid_file(cluster)
    if recorded is None:
        return None
    try:
        process = psutil.Process(recorded.pid)
    except psutil.NoSuchProcess:
        return None
    return process if _is_of(cluster, process) else None


def is_alive(process: psutil.Process) -> bool:
    """Check whether a process, identified by its number and start time, is running.

    Raises:
        OSError: The check failed.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(cluster: Path) -> None:
    """Stop the server if it is running, as `pg_ctl stop` does: disconnect clients and keep all commits."""
    running, recorded = postmaster(cluster), read_pid_file(cluster)
    if running is None or recorded is None:
        return
    # If the fast shutdown does not end in time, an immediate one, from which the next start recovers.
    for shutdown in (signal.SIGINT, signal.SIGQUIT):
        try:
            running.send_signal(shutdown)
        except psutil.NoSuchProcess:
            break
        if _all_gone(cluster, [running]):
            break
    if recorded.socket_folder != cluster:
        with suppress(OSError):
            recorded.socket_folder.rmdir()


def clean_up_after_crash(cluster: Path) -> None:
    """End orphaned server processes and remove a stale `postmaster.pid`.

    PostgreSQL refuses to start while any process has the number in that file.

    Args:
        cluster: A cluster without a main process, under the caller's exclusive lock.

    Raises:
        ConfigurationError: A server that is not visible here uses the cluster, or an orphan does not end.
    """
    if not (cluster / "postmaster.pid").exists():
        return
    if listens(cluster):
        raise ConfigurationError(
            f"A PostgreSQL that Convenor cannot see, in another container or of another user, serves {cluster}.",
            "Stop it there first: two servers on one folder would destroy the data.",
        )
    orphans = [process for process in psutil.process_iter() if _is_of(cluster, process)]
    for orphan in orphans:
        orphan.send_signal(signal.SIGQUIT)
    if not _all_gone(cluster, orphans):
        raise ConfigurationError(
            f"Server processes of {cluster} outlived their server: {', '.join(str(orphan.pid) for orphan in orphans)}.",
            "End them, then start again.",
        )
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _is_of(cluster: Path, process: psutil.Process) -> bool:
    # A server process works in its cluster's folder. If the folder is not readable, the process is another user's.
    # An ending process has no folder. Any other error means that the check failed.
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.name() == "postgres" and process.cwd() == str(cluster)
    except (psutil.Error, FileNotFoundError):
        return False


def _all_gone(cluster: Path, processes: list[psutil.Process]) -> bool:
    # psutil's own wait would count a zombie as alive for ever, under an init process that does not reap.
    deadline = time.monotonic() + _STOP_SECONDS
    while any(_is_of(cluster, process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
