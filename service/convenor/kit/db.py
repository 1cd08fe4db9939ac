"""Connections to the database: a pool for reading, one for the audit, and an engine for writing.

Nothing is ever set on a session (see `context`), so a connection goes back to its pool as it is, without a round trip.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from convenor.kit.database import assert_app_role
from convenor.kit.operator import OperatorError

READERS, WRITERS, AUDITORS = 10, 8, 2
WAIT_SECONDS = 5
"""How long a request waits for a free connection before it is told that the service is busy."""

_SERVER_SETTINGS = {
    "application_name": "convenor",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "30000",
}


@dataclass(frozen=True)
class Connections:
    """What a worker talks to the database with."""

    readers: "Readers"
    auditors: asyncpg.Pool
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]


class Readers:
    """The pool for reading: whichever connection is free within `WAIT_SECONDS`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    def acquire(self) -> Any:
        """A connection, as a context manager."""
        return self._pool.acquire(timeout=WAIT_SECONDS)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row of one statement."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetch(self, query: str, *args: Any) -> Any:
        """Every row of one statement."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()


@asynccontextmanager
async def connect(app_url: str, workers: int = 1) -> AsyncIterator[Connections]:
    """Opens the pools of one worker with the application's login.

    Raises:
        OperatorError: when the login could see past row-level security, or the server takes too few connections.
    """
    readers = await asyncpg.create_pool(
        app_url, min_size=1, max_size=READERS, server_settings=_SERVER_SETTINGS, reset=_leave_as_it_is
    )
    auditors = await asyncpg.create_pool(
        app_url, min_size=1, max_size=AUDITORS, server_settings=_SERVER_SETTINGS, reset=_leave_as_it_is
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(app_url, server_settings=_SERVER_SETTINGS),
        pool_size=WRITERS,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    try:
        async with readers.acquire() as connection:
            await assert_app_role(connection)
            await _assert_room(connection, workers)
        yield Connections(Readers(readers), auditors, engine, async_sessionmaker(engine, expire_on_commit=False))
    finally:
        await engine.dispose()
        await auditors.close()
        await readers.close()


async def driver_connection(session: AsyncSession) -> Any:
    """The asyncpg connection under a session, inside its transaction: the reading machine asks on it after a write."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


def _replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Has the pool open another connection for one that died with its server, at no cost to the living."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _leave_as_it_is(_connection: Any) -> None:
    return None


async def _assert_room(connection: Any, workers: int) -> None:
    wanted = workers * (READERS + WRITERS + AUDITORS)
    room = int(await connection.fetchval("show max_connections")) - int(
        await connection.fetchval("show superuser_reserved_connections")
    )
    if wanted > room:
        raise OperatorError(
            f"{workers} workers want {wanted} connections, and the database takes {room}.",
            "Raise max_connections of the server, or lower CONVENOR_WORKERS.",
        )
