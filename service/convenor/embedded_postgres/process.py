"""The processes of one PostgreSQL cluster: which of them runs, what a crash left of them, and how they are stopped."""

import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from convenor.configuration_error import ConfigurationError

PORT = 5432
"""Only part of the socket's name: nothing listens on TCP."""

_STOP_SECONDS = 60


@dataclass(frozen=True)
class PidFile:
    """What a cluster's `postmaster.pid` says; it may be stale.

    Source: PostgreSQL documentation, "Database File Layout"; src/include/utils/pidfile.h.
    """

    pid: int
    socket_folder: Path
    ready: bool


def read_pid_file(cluster: Path) -> PidFile | None:
    """Read `postmaster.pid`; None where it is missing or cut short.

    Raises:
        OSError: It cannot be looked at, which says nothing about the server.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return PidFile(int(lines[0]), Path(lines[4]), "".join(lines[7:8]).strip() == "ready")
    except (FileNotFoundError, ValueError, IndexError):
        return None


def listens(cluster: Path) -> bool:
    """Whether a server, ready or still starting, listens on the socket that the cluster names.

    Raises:
        OSError: That cannot be found out.
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
    """The cluster's main process, where it is alive. A process that merely got its old number is not it.

    Raises:
        OSError: That cannot be found out.
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
    """Whether a process, known by its number and the time of its start, still runs.

    Raises:
        OSError: That cannot be found out.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(cluster: Path) -> None:
    """Stops the server, if it runs, as `pg_ctl stop` does: clients are cut off, everything committed is kept."""
    running, recorded = postmaster(cluster), read_pid_file(cluster)
    if running is None or recorded is None:
        return
    # Where the fast stop hangs, an immediate one, from which the next start recovers.
    for how in (signal.SIGINT, signal.SIGQUIT):
        try:
            running.send_signal(how)
        except psutil.NoSuchProcess:
            break
        if _all_gone(cluster, [running]):
            break
    if recorded.socket_folder != cluster:
        with suppress(OSError):
            recorded.socket_folder.rmdir()


def clear_what_a_crash_left(cluster: Path) -> None:
    """Makes room for a start: ends orphaned server processes and removes a stale `postmaster.pid`.

    PostgreSQL itself would refuse to start for as long as any process bears the number in that file.

    Args:
        cluster: A cluster without a main process, under the caller's exclusive lock.

    Raises:
        ConfigurationError: A server that cannot be seen from here serves the cluster, or an orphan does not end.
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
    # A server process works in its cluster's folder. One whose folder we may not see is another user's, hence not it.
    # A process that is ending has no folder any more. Any other error means that nobody can tell.
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.name() == "postgres" and process.cwd() == str(cluster)
    except (psutil.Error, FileNotFoundError):
        return False


def _all_gone(cluster: Path, processes: list[psutil.Process]) -> bool:
    # Not psutil's own wait: under a first process that reaps nothing, a zombie would count as alive for ever.
    deadline = time.monotonic() + _STOP_SECONDS
    while any(_is_of(cluster, process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
