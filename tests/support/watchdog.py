"""End the servers and services of a test process that was itself ended, however that happened.

A killed test process cannot tidy up. So each starts this file as a program, which waits at a pipe until the test
process is gone. It then ends every process that the tests started: all inherit a variable that names the run.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psutil

VARIABLE = "TEST_PROCESS"
PATIENCE_SECONDS = 10


@contextmanager
def watchdog() -> Iterator[None]:
    """Guard the processes that are started from here on."""
    run = os.environ[VARIABLE] = uuid4().hex
    # A session of its own: what interrupts the tests from a terminal must not end the watchdog before them.
    with subprocess.Popen([sys.executable, __file__, run], stdin=subprocess.PIPE, start_new_session=True):
        yield


def started_by(run: str) -> list[psutil.Process]:
    """List the processes of a run, but for the watchdog itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(VARIABLE) == run and process.pid != os.getpid():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(run: str) -> None:
    """End the processes of a run. SIGQUIT makes PostgreSQL end at once, and release its memory."""
    left = started_by(run)
    for how in (signal.SIGQUIT, signal.SIGKILL):
        for process in left:
            try:
                process.send_signal(how)
            except psutil.NoSuchProcess:
                continue
        _, left = psutil.wait_procs(left, timeout=PATIENCE_SECONDS)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(sys.argv[1])
