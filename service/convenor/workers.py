"""Start several worker processes behind one port, replace those that fail, and stop them together."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import parent_process
from socket import socket

import uvicorn
import uvloop
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from convenor.configuration_error import ConfigurationError
from convenor.log import log
from convenor.process import serve_application, stops_on_signals

UNRESPONSIVE_SECONDS = 60
"""How long a worker may be unresponsive before it is replaced. On a busy machine, a start takes many seconds."""
_POLL_SECONDS = 0.5


class Worker(Process):
    """uvicorn's worker process, which also reports to its parent why it cannot start.

    Attributes:
        serves: Whether it accepts requests.
        refusal: Why it could not start.
    """

    serves = False
    refusal: ConfigurationError | None = None
    _pinged_at: float | None = None

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve, in the worker process."""
        if not sockets:
            raise ValueError("a worker serves the port that its parent holds")
        server = self.server
        for task in (self.always_pong, _end_with_parent):
            threading.Thread(target=task, daemon=True).start()
        try:
            with stops_on_signals(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self.config.load()
                runner.run(serve_application(server, sockets[0], lambda: None))
        except ConfigurationError as error:
            self.child_conn.send(error)
            raise SystemExit(STARTUP_FAILURE) from None

    def poll(self) -> None:
        """Read the worker's messages, and ping it again if it has answered. Never wait."""
        try:
            while self.parent_conn.poll():
                answer = self.parent_conn.recv()
                self._pinged_at = None
                self.serves = self.serves or answer is True
                if isinstance(answer, ConfigurationError):
                    self.refusal = answer
            if self._pinged_at is None:
                self.parent_conn.send(b"ping")
                self._pinged_at = time.monotonic()
        except (OSError, EOFError):
            # The worker has ended, which `failure` reports.
            pass

    def failure(self) -> str:
        """Describe the worker's failure; empty if it is running or starting."""
        if not self.process.is_alive():
            return f"ended with exit code {self.exitcode}"
        if self._pinged_at is not None and time.monotonic() > self._pinged_at + UNRESPONSIVE_SECONDS:
            return f"did not answer for {UNRESPONSIVE_SECONDS} seconds"
        return ""


def serve_with_workers(config: uvicorn.Config, port: socket, ready: Callable[[], None]) -> None:
    """Serve with several processes until SIGINT or SIGTERM. Call it inside `stops_on_signals`.

    Args:
        config: The server's configuration, with the number of workers.
        port: The listening socket.
        ready: Called once the first worker accepts requests.

    Raises:
        ConfigurationError: A worker could not start before any of them had.
    """
    workers: list[Worker] = []
    try:
        while len(workers) < config.workers:
            workers.append(_start(config, port))
        while not any(worker.serves for worker in workers):
            time.sleep(_POLL_SECONDS)
            _raise_failure(workers)
        ready()
        while True:
            _replace_failed(workers, config, port)
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _raise_failure(workers: list[Worker]) -> None:
    """Raise the error of a worker's first start, which every worker would meet."""
    for worker in workers:
        worker.poll()
        if failure := worker.failure():
            raise worker.refusal or ConfigurationError(
                f"Worker {worker.pid} {failure} while it was starting.",
                "Start again with CONVENOR_WORKERS=1 for a more detailed message.",
            )


def _replace_failed(workers: list[Worker], config: uvicorn.Config, port: socket) -> None:
    for place, worker in enumerate(workers):
        worker.poll()
        if failure := worker.failure():
            reason = f" {worker.refusal}" if worker.refusal else ""
            log.warning("Worker %s %s.%s Another replaces it.", worker.pid, failure, reason)
            worker.kill()
            worker.join()
            workers[place] = _start(config, port)


def _start(config: uvicorn.Config, port: socket) -> Worker:
    worker = Worker(config, [port])
    # A daemon ends with its parent, even if a signal arrives before the worker is in the list.
    worker.process.daemon = True
    worker.start()
    return worker


def _end_with_parent() -> None:
    # A parent that is killed cannot stop its workers, which would hold the port for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
