"""A run of the tests that is ended, however that happens, leaves no server behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.installation import wait_until
from support.tiers import size

from convenor.embedded_postgres.process import postmaster

ENDLESS = Path(__file__).with_name("endless.py")
ROOT = Path(__file__).parents[2]


ENDS = [
    ("0", signal.SIGKILL),
    ("1", signal.SIGTERM),
    ("0", signal.SIGTERM),
    ("0", signal.SIGINT),
    ("1", signal.SIGKILL),
    ("1", signal.SIGINT),
]
"""Test processes beside the first, and the signal that ends the first. The long form of the test tries them all."""


@pytest.mark.parametrize(("processes", "ended_by"), ENDS[: size(2, len(ENDS))])
def test_a_run_that_is_ended_leaves_no_server_behind(tmp_path: Path, processes: str, ended_by: signal.Signals) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-n{processes}", str(ENDLESS)]
    command += [f"--config-file={ROOT / 'pyproject.toml'}"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: (tmp_path / "ready").exists() or run.poll() is not None, "the test has its server")
        assert run.poll() is None
        server = postmaster(Path((tmp_path / "data_dir").read_text(encoding="utf-8")) / "postgres")
        assert server is not None
        os.kill(run.pid, ended_by)
    wait_until(lambda: not server.is_running(), "the server has ended")
