"""Start several worker processes behind one port, replace those that fail, and stop them together."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from socket import socket

import uvicorn
import uvloop
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from convenor.configuration_error import ConfigurationError
from convenor.log import log
from convenor.process import IN_FLIGHT_SECONDS, serve_application
from convenor.stop_signals import stops_on_signals

UNRESPONSIVE_SECONDS = 60
"""How long a worker may be unresponsive before it is replaced. On a busy machine, a start takes many seconds."""
STOP_SECONDS = IN_FLIGHT_SECONDS + 10
"""How long the workers may take to stop. Then they are killed, as by a second signal."""
MAX_PAUSE_SECONDS = 30
"""The longest pause before another worker is started in the place of one that could not start."""
_POLL_SECONDS = 0.5


class Worker(Process):
    """uvicorn's worker process, which also reports to its parent why it cannot start.

    Attributes:
        serves: Whether it accepts requests.
        refusal: Why it could not start.
        failed_starts: How many workers in its place could not start, one after the other.
        replaced_at: When another replaces it, by the monotonic clock, if it has failed.
    """

    serves = False
    refusal: ConfigurationError | None = None
    failed_starts = 0
    replaced_at: float | None = None
    _pinged_at: float | None = None
    _loop: asyncio.AbstractEventLoop | None = None

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
                self._loop = runner.get_loop()
                runner.run(serve_application(server, sockets[0], lambda: None))
        except ConfigurationError as error:
            self.child_conn.send(error)
            raise SystemExit(STARTUP_FAILURE) from None

    def pong(self) -> None:
        """Answer a ping from the event loop once there is one: a loop that hangs serves nobody."""
        self.child_conn.recv()
        if self._loop is None:
            self.child_conn.send(False)
            return
        # A closed loop means that the worker ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self.child_conn.send(self.server.started))

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
    """Serve with several processes until SIGINT or SIGTERM. Call it inside `stops_on_signals`, which restores handlers.

    Args:
        config: The server's configuration, with the number of workers.
        port: The listening socket.
        ready: Called once the first worker accepts requests.

    Raises:
        ConfigurationError: A worker could not start before any of them had.
    """
    workers: list[Worker] = []
    with _noted_signals() as signals:
        try:
            while len(workers) < config.workers and not signals:
                workers.append(_start(config, port))
            while not signals and not any(worker.serves for worker in workers):
                time.sleep(_POLL_SECONDS)
                _raise_failure(workers)
            if not signals:
                ready()
            while not signals:
                _replace_failed(workers, config, port)
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            pass
        finally:
            _stop(workers, signals)


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM in a list. An exception that a handler raises is lost where a finalizer is running."""
    signals: list[int] = []
    both = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, lambda number, _frame: signals.append(number)) for each in both}
    try:
        yield signals
    finally:
        for each, handler in before.items():
            # As in `stops_on_signals`: once a signal has come, another does not disturb the end.
            signal.signal(each, signal.SIG_IGN if signals else handler)


def _stop(workers: Sequence[Worker], signals: Sequence[int]) -> None:
    """Stop workers, and kill those that take too long or that a second signal finds running."""
    deadline, before = time.monotonic() + STOP_SECONDS, len(signals)
    for worker in workers:
        worker.terminate()
    while running := [worker.process.sentinel for worker in workers if worker.process.is_alive()]:
        if len(signals) > before or time.monotonic() > deadline:
            break
        wait(running, _POLL_SECONDS)
    for worker in workers:
        if worker.process.is_alive():
            log.warning("Worker %s does not stop, and is killed.", worker.pid)
            worker.kill()
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
        if worker.replaced_at is None:
            worker.poll()
            if not (failure := worker.failure()):
                continue
            reason = f" {worker.refusal}" if worker.refusal else ""
            pause = 0 if worker.serves else min(2**worker.failed_starts, MAX_PAUSE_SECONDS)
            when = f" in {pause} s" if pause else ""
            log.warning("Worker %s %s.%s Another replaces it%s.", worker.pid, failure, reason, when)
            worker.kill()
            worker.join()
            worker.replaced_at = time.monotonic() + pause
        if time.monotonic() >= worker.replaced_at:
            workers[place] = _start(config, port, failed_starts=0 if worker.serves else worker.failed_starts + 1)


def _start(config: uvicorn.Config, port: socket, failed_starts: int = 0) -> Worker:
    worker = Worker(config, [port])
    worker.failed_starts = failed_starts
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
