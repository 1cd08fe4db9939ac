"""Watch the embedded database, and start it again if it was killed. No error ends the watch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from convenor.configuration_error import ConfigurationError
from convenor.embedded_postgres.server import revive
from convenor.log import log

WATCH_SECONDS = 0.5


class Watch:
    """Watch one database, and log each change of its state once."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._server: psutil.Process | None = None
        self._problem = ""

    def check(self) -> None:
        """Start the database again if it has died. Log an error, because the next attempt may succeed."""
        try:
            server = revive(self._data_dir, self._server)
        except ConfigurationError as error:
            self._log_once("The database has stopped and does not start", str(error))
        except Exception as error:
            # For example, this process may have no file descriptor left for the check.
            self._log_once("The database cannot be checked", f"{type(error).__name__}: {error}")
        else:
            if self._server is not None and server != self._server:
                log.warning("The database had stopped. It is running again.")
            elif self._problem:
                log.warning("The database is running.")
            self._server, self._problem = server, ""

    def _log_once(self, problem: str, reason: str) -> None:
        if problem != self._problem:
            log.error("%s: %s", problem, reason)
        self._problem = problem


@contextmanager
def watched(data_dir: Path) -> Iterator[None]:
    """Keep the embedded database running while the block lasts."""
    ended, watch = threading.Event(), Watch(data_dir)

    def keep_checking() -> None:
        while not ended.is_set():
            watch.check()
            ended.wait(WATCH_SECONDS)

    watching = threading.Thread(target=keep_checking, name="database-watch")
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
