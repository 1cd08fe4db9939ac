"""The statements that changes send to the database, as a test wants to compare them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from support.api_client import Service


@contextmanager
def statements_of(service: Service) -> Iterator[list[tuple[str, int]]]:
    """Record each statement of changes, with the number of its rows."""
    found: list[tuple[str, int]] = []
    engine = service.services.sessions.kw["bind"].sync_engine

    def record(_connection: Any, cursor: Any, statement: str, *_how: Any) -> None:
        found.append((statement, cursor.rowcount))

    event.listen(engine, "after_cursor_execute", record)
    yield found
    event.remove(engine, "after_cursor_execute", record)
