"""Connections to the database: a pool for reading, one for the audit, an engine for writing, and one to probe with.

Nothing is ever set on a session (see `context`), so a connection goes back to its pool as it is, without a round trip.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from convenor.configuration_error import ConfigurationError
from convenor.database.login import assert_app_role

T = TypeVar("T")

log = logging.getLogger("convenor")

READERS, WRITERS, AUDITORS, PROBES, LISTENERS = 10, 8, 2, 1, 1
"""Connections of one worker. The listener hears of changed clients; it belongs to the verifier of tokens."""
MAX_STATEMENT_BYTES = 30_000
"""Up to which a statement stays prepared: those of GraphQL are long, but plans of the longest would fill the memory."""
WAIT_SECONDS = 5
"""How long a request waits for a free connection before it is told that the service is busy."""

_SERVER_SETTINGS = {
    "application_name": "convenor",
    "timezone": "UTC",
    "datestyle": "ISO",
    "jit": "off",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "30000",
}
_PROBE_SETTINGS = _SERVER_SETTINGS | {"statement_timeout": "1000"}


@dataclass(frozen=True)
class Connections:
    """What a worker talks to the database with."""

    readers: "Readers"
    auditors: asyncpg.Pool
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    open_probe: Callable[[], Awaitable[asyncpg.Connection]]
    """Opens the connection that finds out whether requests can be served; whoever does closes it."""


class Readers:
    """Connections for reading: whichever is free within `WAIT_SECONDS`.

    Not a pool of asyncpg's, whose tasks around each acquire and release cost as much as a read by id does.
    """

    def __init__(self, opens: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._opens = opens
        self._turns = asyncio.Semaphore(READERS)
        self._free: list[asyncpg.Connection] = []
        self._closed = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection.

        Raises:
            TimeoutError: all are busy for longer than a request waits.
        """
        if self._turns.locked():
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        else:
            await self._turns.acquire()
        connection = None
        try:
            connection = await self._open()
            yield connection
            self._free.append(connection)
        except asyncpg.PostgresError:
            if connection:
                self._free.append(connection)
            raise
        except BaseException:
            # Cut short in the middle of an exchange: nobody knows what it would say next.
            if connection:
                connection.terminate()
            raise
        finally:
            self._turns.release()

    async def _open(self) -> asyncpg.Connection:
        if self._closed:
            raise asyncpg.InterfaceError("closed")
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return await self._opens()

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row of one statement."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetch(self, query: str, *args: Any) -> Any:
        """Every row of one statement."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def close(self) -> None:
        """Closes every connection; none is in use any more."""
        self._closed = True
        while self._free:
            await self._free.pop().close()


@asynccontextmanager
async def connect(app_url: str, workers: int = 1) -> AsyncIterator[Connections]:
    """Opens the pools of one worker with the application's login.

    Raises:
        OperatorError: when the login could see past row-level security, or the server takes too few connections.
    """

    def opens() -> Awaitable[asyncpg.Connection]:
        return asyncpg.connect(
            app_url, server_settings=_SERVER_SETTINGS, max_cacheable_statement_size=MAX_STATEMENT_BYTES
        )

    readers = Readers(opens)
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
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        open_probe = partial(asyncpg.connect, app_url, server_settings=_PROBE_SETTINGS)
        yield Connections(readers, auditors, engine, sessions, open_probe)
    finally:
        await engine.dispose()
        await auditors.close()
        await readers.close()


async def driver_connection(session: AsyncSession) -> Any:
    """The asyncpg connection under a session, inside its transaction: the reading machine asks on it after a write."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


def driver_error(error: BaseException) -> BaseException:
    """Unwrap what asyncpg raised, where SQLAlchemy wrapped it; else return the error itself."""
    return (error.orig and error.orig.__cause__) or error if isinstance(error, DBAPIError) else error


async def again_after_deadlock(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make an attempt, and a second one where the database ended the first to resolve a deadlock.

    Args:
        attempt: one transaction, of which nothing is left when it raises.
    """
    try:
        return await attempt()
    except Exception as error:
        if not isinstance(driver_error(error), asyncpg.DeadlockDetectedError):
            raise
    log.warning("a transaction ended in a deadlock and is tried once more")
    return await attempt()


def violates(error: IntegrityError, constraint: str) -> bool:
    """Whether a constraint or unique index, by its name, is what the database refused for.

    Its message tells values, too, in which any name could stand.
    """
    cause = driver_error(error)
    return isinstance(cause, asyncpg.IntegrityConstraintViolationError) and cause.constraint_name == constraint


def _replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Has the pool open another connection for one that died with its server, at no cost to the living."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _leave_as_it_is(_connection: Any) -> None:
    return None


async def _assert_room(connection: Any, workers: int) -> None:
    wanted = workers * (READERS + WRITERS + AUDITORS + PROBES + LISTENERS)
    room = int(await connection.fetchval("show max_connections")) - int(
        await connection.fetchval("show superuser_reserved_connections")
    )
    if wanted > room:
        raise ConfigurationError(
            f"{workers} workers want {wanted} connections, and the database takes {room}.",
            "Raise max_connections of the server, or lower CONVENOR_WORKERS.",
        )
