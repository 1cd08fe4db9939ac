"""Several worker processes behind one port: started, replaced when they end or fall silent, and stopped together."""

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

SILENT_SECONDS = 60
"""How long a worker may answer nothing before it is replaced: on a busy machine its start alone takes many seconds."""
_LOOK_SECONDS = 0.5


class Worker(Process):
    """One worker process: uvicorn's, which tells its parent whether it serves, or why it cannot start.

    Attributes:
        serves: Whether it has let callers in.
        refusal: Why it could not start.
    """

    serves = False
    refusal: ConfigurationError | None = None
    _asked_at: float | None = None

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve: what the worker process runs."""
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

    def listen(self) -> None:
        """Hear what the worker has said, and ask again where it has answered. Never waits."""
        try:
            while self.parent_conn.poll():
                answer = self.parent_conn.recv()
                self._asked_at = None
                self.serves = self.serves or answer is True
                if isinstance(answer, ConfigurationError):
                    self.refusal = answer
            if self._asked_at is None:
                self.parent_conn.send(b"ping")
                self._asked_at = time.monotonic()
        except (OSError, EOFError):
            # It has ended: the process itself will show that.
            pass

    def failure(self) -> str:
        """What is the matter with the worker; empty where it is well or may yet be."""
        if not self.process.is_alive():
            return f"ended with exit code {self.exitcode}"
        if self._asked_at is not None and time.monotonic() > self._asked_at + SILENT_SECONDS:
            return f"did not answer for {SILENT_SECONDS} seconds"
        return ""


def serve_with_workers(config: uvicorn.Config, port: socket, ready: Callable[[], None]) -> None:
    """Serve with several processes until SIGINT or SIGTERM. Wants `stops_on_signals` around it.

    Args:
        config: What each worker serves, and how many there are.
        port: Listening.
        ready: Called once a first worker lets callers in.

    Raises:
        ConfigurationError: A worker could not start before any of them had.
    """
    workers: list[Worker] = []
    try:
        while len(workers) < config.workers:
            workers.append(_start(config, port))
        while not any(worker.serves for worker in workers):
            time.sleep(_LOOK_SECONDS)
            _refuse_where_one_failed(workers)
        ready()
        while True:
            _replace_where_one_failed(workers, config, port)
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _refuse_where_one_failed(workers: list[Worker]) -> None:
    """What keeps a worker from its first start would keep each of them."""
    for worker in workers:
        worker.listen()
        if failure := worker.failure():
            raise worker.refusal or ConfigurationError(
                f"Worker {worker.pid} {failure} while it was starting.",
                "Start again with CONVENOR_WORKERS=1, which says more.",
            )


def _replace_where_one_failed(workers: list[Worker], config: uvicorn.Config, port: socket) -> None:
    for place, worker in enumerate(workers):
        worker.listen()
        if failure := worker.failure():
            reason = f" {worker.refusal}" if worker.refusal else ""
            log.warning("Worker %s %s.%s Another takes its place.", worker.pid, failure, reason)
            worker.kill()
            worker.join()
            workers[place] = _start(config, port)


def _start(config: uvicorn.Config, port: socket) -> Worker:
    worker = Worker(config, [port])
    # Ended with its parent even where a signal comes before anybody knows of it.
    worker.process.daemon = True
    worker.start()
    return worker


def _end_with_parent() -> None:
    # A parent that was killed stops nobody: its workers would hold the port for ever.
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
