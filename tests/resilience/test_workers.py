"""Several workers: readiness is announced by a worker's answer, and each replacement is logged."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from multiprocessing import active_children

import httpx2
import pytest
from resilience.worker_apps import answering, refusing
from support.installation import wait_until

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
