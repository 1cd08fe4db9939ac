"""A command that is told to end, or whose terminal is closed, leaves no process."""

import fcntl
import os
import pty
import signal
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import PATIENCE_SECONDS, Installation, wait_until

from convenor.stop_signals import stops_on_signals


@pytest.fixture
def installation() -> Iterator[Installation]:
    # A short path: the database's socket is in it.
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data")
        yield installation
        installation.leave()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_whose_terminal_is_closed_leaves_no_process(installation: Installation, workers: str) -> None:
    installation.settings["CONVENOR_WORKERS"] = workers
    outside, inside = pty.openpty()
    with subprocess.Popen(
        [*installation.command, "serve"],
        env=installation.environment,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as installation.serving:
        os.close(inside)
        wait_until(installation.answers, "the service answers")
        os.close(outside)
        installation.serving.wait(PATIENCE_SECONDS)
    installation.serving = None
    assert installation.processes() == []


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_stops_the_database_that_it_started(
    installation: Installation, how: signal.Signals
) -> None:
    installation.data_dir.mkdir(mode=0o700)
    file = installation.data_dir / "clusters.csv"
    os.mkfifo(file)

    def reads() -> bool:
        assert command.poll() is None
        try:
            writer.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads yet
            return False
        return True

    writer: list[int] = []
    with subprocess.Popen(
        [*installation.command, "load", str(file), "--area", "908"],
        env=installation.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as command:
        wait_until(reads, "the command reads its file")
        command.send_signal(how)
        assert command.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    os.close(*writer)
    assert installation.processes() == []


def test_a_process_that_is_to_outlive_its_terminal_ignores_its_end() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stops_on_signals():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_end_of_the_terminal_does_not_disturb_what_the_first_began() -> None:
    heard: list[int] = []
    each = signal.SIGHUP, signal.SIGTERM, signal.SIGINT
    before = {one: signal.signal(one, lambda number, _frame: heard.append(number)) for one in each}

    def end_again_and_again() -> None:
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            for one in each:
                signal.raise_signal(one)

    try:
        with pytest.raises(KeyboardInterrupt), stops_on_signals():
            end_again_and_again()
        assert heard == []
        # Afterwards, they are again what they were before.
        for one in each:
            signal.raise_signal(one)
        assert heard == list(each)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
