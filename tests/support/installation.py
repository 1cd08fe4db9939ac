"""A real installation: the command `convenor` as a process of its own, on a free port, with its own data folder."""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx2
import psutil

COMMAND = Path(sys.executable).with_name("convenor")
PATIENCE_SECONDS = 240
"""Longer than anything takes on a busy machine, and shorter than a test may take in all."""


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as something holds; fail where it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


@dataclass
class Installation:
    """One data folder with its settings; `start` serves it, commands run beside."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    """Limits of the system on its processes, such as `resource.RLIMIT_NOFILE`, soft and hard."""
    command: list[str] = field(default_factory=lambda: [str(COMMAND)])
    serving: subprocess.Popen[bytes] | None = field(default=None, init=False)
    output: str = field(default="", init=False)
    _log: IO[str] = field(init=False, repr=False)

    @property
    def url(self) -> str:
        """Return where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return what its processes are given; none of the settings of whoever runs the tests."""
        ours = {"CONVENOR_DATA_DIR": str(self.data_dir), "CONVENOR_PORT": str(self.port)} | self.settings
        return {name: value for name, value in os.environ.items() if not name.startswith("CONVENOR_")} | ours

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            preexec_fn=self._limit,
        )

    def start(self, *arguments: str) -> None:
        """Start `convenor serve`, or what is named, and wait until it answers."""
        self.output = ""
        # A file takes whatever the service writes; a pipe that nobody reads would stop the service once it is full.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed at the end of the service)
        self.serving = subprocess.Popen(
            [*self.command, *(arguments or ("serve",))],
            env=self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=self._limit,
        )
        wait_until(self.answers, "the service answers")

    def _limit(self) -> None:
        for limit, value in self.limits.items():
            resource.setrlimit(limit, (value, value))

    def answers(self) -> bool:
        """Say whether the service answers; fail where its process has ended."""
        assert self.serving is not None
        if self.serving.poll() is not None:
            self.ended()
            raise AssertionError(self.output)
        try:
            return httpx2.get(f"{self.url}/health/live", trust_env=False).status_code < 500
        except httpx2.TransportError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Return every process of it: the parent, its workers, and the database's.

        Python's own tracker of shared resources is left out: it ends just after its parent, when the pipe closes.
        """
        cluster = str(self.data_dir / "postgres")
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("CONVENOR_DATA_DIR") == str(self.data_dir) or process.cwd() == cluster
                tracks = any("multiprocessing.resource_tracker" in word for word in process.cmdline())
                if ours and not tracks and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop the service, wait for its end and return its exit code."""
        assert self.serving is not None
        self.serving.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end of the service, keep what it printed and return its exit code."""
        assert self.serving is not None
        code = self.serving.wait(PATIENCE_SECONDS)
        with self._log:
            self._log.seek(0)
            self.output = self._log.read()
        self.serving = None
        return code

    def leave(self) -> None:
        """End whatever a test has left running."""
        if self.serving is not None:
            self.stop(signal.SIGKILL)
        for process in self.processes():
            process.kill()
