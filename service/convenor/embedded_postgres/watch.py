"""The watch over the embedded database: it is started again when it was killed, and nothing ends the watch itself."""

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
    """Looks after one database, and logs once when its state changes."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._server: psutil.Process | None = None
        self._trouble = ""

    def look(self) -> None:
        """Start the database again if it has died. Whatever goes wrong is logged; the next look may go well."""
        try:
            server = revive(self._data_dir, self._server)
        except ConfigurationError as error:
            self._log_once("The database has stopped and does not start", str(error))
        except Exception as error:
            # Nobody can tell whether it runs, as when this process has no file descriptor left.
            self._log_once("Whether the database runs cannot be found out", f"{type(error).__name__}: {error}")
        else:
            if self._server is not None and server != self._server:
                log.warning("The database had stopped. It runs again.")
            elif self._trouble:
                log.warning("The database runs.")
            self._server, self._trouble = server, ""

    def _log_once(self, trouble: str, reason: str) -> None:
        if trouble != self._trouble:
            log.error("%s: %s", trouble, reason)
        self._trouble = trouble


@contextmanager
def watched(data_dir: Path) -> Iterator[None]:
    """Keep the embedded database running for as long as the block lasts."""
    over, watch = threading.Event(), Watch(data_dir)

    def keep_looking() -> None:
        while not over.is_set():
            watch.look()
            over.wait(WATCH_SECONDS)

    watching = threading.Thread(target=keep_looking, name="database-watch")
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
