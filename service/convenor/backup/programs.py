"""Run PostgreSQL's own programs for a dump, in the version that suits the server."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from convenor.configuration_error import ConfigurationError
from convenor.database.login import OLDEST_MAJOR_VERSION, Address
from convenor.embedded_postgres.server import MAJOR_VERSION, binaries

_COPY = re.compile(rb'COPY [^ ]+\."?([^" ]+)"? .*FROM stdin;\n')


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ProgramError(Exception):
    """A program failed; the text is its first error message."""


def program(name: str, server_major: int) -> Path:
    """Return the path of a program for a server.

    The programs of 18 suit 17 as well. Their dumps do not suit 16, which does not know a setting in them.

    Raises:
        ConfigurationError: The server is newer than the programs.
    """
    if server_major > MAJOR_VERSION:
        raise ConfigurationError(
            f"The server is PostgreSQL {server_major}; this Convenor backs up and restores up to {MAJOR_VERSION}.",
            f"Run a newer Convenor, or {name} of PostgreSQL {server_major} with the backup's login.",
        )
    return binaries(OLDEST_MAJOR_VERSION if server_major == OLDEST_MAJOR_VERSION else MAJOR_VERSION) / name


async def run(path: Path, address: Address, *arguments: str) -> None:
    """Run a program against a database. Kill it if this task is cancelled.

    Raises:
        ProgramError: The program failed.
    """
    # Every user of the machine can read a program's arguments, but only its owner the environment.
    url, password = address.without_password()
    environment = os.environ | {"LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
    process = await asyncio.create_subprocess_exec(
        path,
        f"--dbname={url}",
        *arguments,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )
    try:
        _, stderr = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        lines = stderr.decode(errors="replace").splitlines() or [f"{path.name} ended with {process.returncode}"]
        # Only the first line, because the following ones can quote a row.
        raise ProgramError(next((line for line in lines if "error:" in line), lines[-1]))


def _end_with_parent() -> None:
    """Let the system kill a program whose parent was killed (prctl(2)): it would go on writing rows to a file."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def rows_in(dump: Path, pg_restore: Path) -> dict[str, int] | None:
    """Read a dump and count the rows of each table; None if it cannot be read."""
    rows: Counter[str] = Counter()
    table = ""
    process = subprocess.Popen(  # noqa: S603 (our own program and arguments)
        [pg_restore, "--data-only", "--schema=public", "--file=-", str(dump)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == b"\\.\n":
                table = ""
            elif table:
                rows[table] += 1
            elif begins := _COPY.fullmatch(line):
                table = begins[1].decode()
    return None if process.returncode else dict(rows)
