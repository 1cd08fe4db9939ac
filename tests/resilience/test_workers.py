"""Several workers: readiness is announced by a worker's answer, and each replacement is logged."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from multiprocessing import active_children

import httpx2
import pytest
from resilience.worker_apps import REFUSES, answering, refusing
from support.installation import PATIENCE_SECONDS, wait_until

from convenor import workers
from convenor.configuration_error import ConfigurationError
from convenor.process import configure_server
from convenor.workers import serve_with_workers


@pytest.fixture
def port() -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken


def ask(port: socket.socket) -> int:
    """Asks, on a connection of its own, which worker answers."""
    return int(httpx2.get(f"http://127.0.0.1:{port.getsockname()[1]}/", trust_env=False, timeout=60).text)


def hang(port: socket.socket) -> int:
    """Makes the loop of the only worker hang; which that is."""
    hanging = ask(port)
    with socket.create_connection(port.getsockname()) as caller:
        caller.settimeout(PATIENCE_SECONDS)
        caller.sendall(b"GET /hang HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = b""
        while b"hanging" not in answer:
            answer += caller.recv(1000)
    return hanging


def serve_until_done(port: socket.socket, count: int, act: Callable[[], None]) -> list[Exception]:
    """Serves with workers, does something beside them once they are ready, and stops them; what went wrong there."""
    failures: list[Exception] = []

    def beside() -> None:
        try:
            act()
        except Exception as error:
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    acting = threading.Thread(target=beside)
    serve_with_workers(configure_server(answering, factory=True, workers=count), port, acting.start)
    acting.join()
    return failures


def test_a_service_whose_workers_cannot_start_says_why_and_is_never_ready(port: socket.socket) -> None:
    ready: list[None] = []
    with pytest.raises(ConfigurationError, match=r"The lamp is out\.\nLight it\."):
        serve_with_workers(configure_server(refusing, factory=True, workers=2), port, lambda: ready.append(None))
    assert ready == []
    assert active_children() == []


def test_a_service_is_ready_once_a_worker_answers(port: socket.socket) -> None:
    answered: list[int] = []

    def ready() -> None:
        # No worker is started or looked after meanwhile: one of them serves already.
        answered.append(ask(port))
        raise KeyboardInterrupt

    serve_with_workers(configure_server(answering, factory=True, workers=2), port, ready)
    assert len(answered) == 1
    assert active_children() == []


def test_a_worker_that_was_killed_is_replaced_and_that_is_logged(
    port: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    def kill() -> None:
        killed = ask(port)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: caplog.messages, "the replacement is logged")
        assert caplog.messages == [f"Worker {killed} ended with exit code -9. Another replaces it."]
        assert ask(port) != killed

    assert serve_until_done(port, 1, kill) == []
    assert active_children() == []


def test_a_worker_that_falls_silent_is_replaced_and_that_is_logged(
    port: socket.socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence() -> None:
        silent = ask(port)
        os.kill(silent, signal.SIGSTOP)
        with monkeypatch.context() as patient:
            patient.setattr(workers, "UNRESPONSIVE_SECONDS", 1)
            wait_until(lambda: caplog.messages, "the replacement is logged")
        assert caplog.messages == [f"Worker {silent} did not answer for 1 seconds. Another replaces it."]
        assert ask(port) != silent

    assert serve_until_done(port, 1, silence) == []


def test_a_worker_whose_loop_hangs_is_replaced(
    port: socket.socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silence() -> None:
        hanging = hang(port)
        with monkeypatch.context() as patient:
            patient.setattr(workers, "UNRESPONSIVE_SECONDS", 1)
            wait_until(lambda: caplog.messages, "the replacement is logged")
        assert caplog.messages == [f"Worker {hanging} did not answer for 1 seconds. Another replaces it."]
        assert ask(port) != hanging

    assert serve_until_done(port, 1, silence) == []


def test_a_worker_that_does_not_stop_is_killed(
    port: socket.socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STOP_SECONDS", 1)
    hung: list[int] = []
    assert serve_until_done(port, 1, lambda: hung.append(hang(port))) == []
    assert caplog.messages == [f"Worker {hung[0]} does not stop, and is killed."]
    assert active_children() == []


def test_a_second_signal_kills_the_workers_that_do_not_stop(
    port: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    def stop() -> None:
        hang(port)
        before = signal.getsignal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: signal.getsignal(signal.SIGINT) is not before, "the workers are being stopped")

    assert serve_until_done(port, 1, stop) == []
    assert len(caplog.messages) == 1
    assert active_children() == []


def test_a_worker_that_cannot_start_is_replaced_after_a_pause_that_grows(
    port: socket.socket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        with monkeypatch.context() as dark:
            dark.setenv(REFUSES, "1")
            os.kill(ask(port), signal.SIGKILL)
            wait_until(lambda: len(caplog.messages) == 3, "two starts have failed")
        assert [message.partition("Another replaces it")[2] for message in caplog.messages] == [
            ".",
            " in 1 s.",
            " in 2 s.",
        ]
        assert ask(port)

    assert serve_until_done(port, 1, refuse) == []
