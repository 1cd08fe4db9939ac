"""Open the connections to the database: pools for reading and for the audit, an engine for writing, and a probe.

No setting outlives its transaction (see `row_security`), so a connection returns to its pool without a reset.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from convenor.configuration_error import ConfigurationError
from convenor.database.login import assert_app_role
from convenor.log import log

T = TypeVar("T")

DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises, apart from the errors of the system."""

READERS, WRITERS, AUDITORS, PROBES, LISTENERS, BACKGROUND = 10, 8, 2, 1, 1, 1
"""Connections of one worker. The listener belongs to the token verifier and receives changes of clients; the one in the
background does pending work."""
MAX_STATEMENT_BYTES = 30_000
"""The longest statement that stays prepared. GraphQL's are long, but the plans of the longest would fill the memory."""
WAIT_SECONDS = 5
"""How long a request waits for a free connection before the service answers that it is busy."""
CONTROL_SECONDS = 15
"""How long the writers wait for the end of a transaction: longer than the server lets any statement run."""
CLOSE_SECONDS = 2
"""How long the connections may take to close when the service stops. Then they are cut."""

_SERVER_SETTINGS = {
    "application_name": "convenor",
    "timezone": "UTC",
    "datestyle": "ISO",
    "jit": "off",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "30000",
}
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_PID = "select pg_backend_pid()"
_PROBE_SETTINGS = _SERVER_SETTINGS | {"statement_timeout": "1000"}


@dataclass(frozen=True)
class Connections:
    """The connections of one worker."""

    readers: "Pool"
    auditors: "Pool"
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    open_probe: Callable[[], Awaitable[asyncpg.Connection]]
    """Opens the connection for readiness checks; the caller closes it."""
    open_worker: Callable[[], Awaitable[asyncpg.Connection]]
    """Opens the connection for pending work; the caller closes it."""


class Pool:
    """A pool of connections that opens them when they are needed.

    asyncpg's own pool starts a task for each acquire and release, which costs as much as a read by id. It also waits
    without limit for a connection that the network has lost.
    """

    def __init__(self, opens: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self._opens = opens
        self._turns = asyncio.Semaphore(size)
        self._free: list[asyncpg.Connection] = []
        self._closed = False

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Acquire a connection.

        Raises:
            TimeoutError: no connection is free within `WAIT_SECONDS`.
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
            # The protocol was interrupted, so the connection's next message could belong to this statement.
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
        """Run one statement and return its first row."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetch(self, query: str, *args: Any) -> Any:
        """Run one statement and return every row."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def close(self) -> None:
        """Close every connection, once none is in use."""
        self._closed = True
        await close_or_cut(self._free)


class _WriterConnection(asyncpg.Connection):
    """A connection that does not wait without limit for BEGIN, COMMIT or ROLLBACK.

    A rollback follows the cancellation of a request. It would wait for the answer to the statement before, and the
    network may have lost that.
    """

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 (asyncpg's)
        try:
            async with asyncio.timeout(CONTROL_SECONDS):
                status: str = await super().execute(query, *args, timeout=timeout)
                return status
        except TimeoutError:
            self.terminate()
            raise


async def close_or_cut(connections: Iterable[asyncpg.Connection]) -> None:
    """Close connections, and cut those that the network has lost. asyncpg cuts a connection that does not close."""
    closing = (connection.close(timeout=CLOSE_SECONDS) for connection in connections)
    await asyncio.gather(*closing, return_exceptions=True)


@asynccontextmanager
async def connect(
    app_url: str, workers: int = 1, info: Mapping[str, object] | None = None
) -> AsyncIterator[Connections]:
    """Open the pools of one worker with the application's login.

    Args:
        app_url: The database.
        workers: How many workers share it.
        info: What every session carries.

    Raises:
        ConfigurationError: row-level security does not apply to the login, or the server accepts too few connections.
    """

    def opens() -> Awaitable[asyncpg.Connection]:
        return asyncpg.connect(
            app_url, server_settings=_SERVER_SETTINGS, max_cacheable_statement_size=MAX_STATEMENT_BYTES
        )

    async def open_writer() -> asyncpg.Connection:
        writer = await asyncpg.connect(app_url, server_settings=_SERVER_SETTINGS, connection_class=_WriterConnection)
        writers.add(writer)
        return writer

    readers, auditors = Pool(opens, READERS), Pool(opens, AUDITORS)
    writers: WeakSet[asyncpg.Connection] = WeakSet()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_writer,
        pool_size=WRITERS,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    try:
        async with readers.acquire() as connection:
            await assert_app_role(connection)
            await _assert_session(connection, opens)
            await _assert_connections_available(connection, workers)
        sessions = async_sessionmaker(engine, expire_on_commit=False, info=dict(info or {}))
        open_probe = partial(asyncpg.connect, app_url, server_settings=_PROBE_SETTINGS)
        yield Connections(readers, auditors, engine, sessions, open_probe, opens)
    finally:
        # The engine itself would wait without limit.
        await asyncio.gather(close_or_cut(list(writers)), auditors.close(), readers.close())
        await engine.dispose()


async def driver_connection(session: AsyncSession) -> Any:
    """Return the asyncpg connection of a session, in its transaction, to read a record after it was written."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


def driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's error where SQLAlchemy wrapped one, else the error itself."""
    return error.orig.__cause__ or error.orig if isinstance(error, DBAPIError) and error.orig else error


async def again_after_deadlock(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction, and run it again if the database ended it to resolve a deadlock.

    Args:
        attempt: one transaction, which leaves nothing when it raises.
    """
    try:
        return await attempt()
    except Exception as error:
        if not isinstance(driver_error(error), asyncpg.DeadlockDetectedError):
            raise
    log.warning("a transaction ended in a deadlock and is tried once more")
    return await attempt()


def no_session(reason: str) -> ConfigurationError:
    """Return the error for a connection pooler that gives no session of its own.

    Args:
        reason: What shows it, as a verb and its object.
    """
    return ConfigurationError(
        f"What answers at the database's address is not a PostgreSQL session: it {reason}, as a connection pooler "
        "does.",
        "Set CONVENOR_DATABASE_URL to the server itself, or let the pooler use session pooling and pass the start-up "
        "parameters on.",
    )


def violates(error: IntegrityError, constraint: str) -> bool:
    """Check whether the database refused a change because of this constraint or unique index.

    Compare the name, not the message: the message can hold values, and those could contain any name.
    """
    cause = driver_error(error)
    return isinstance(cause, asyncpg.IntegrityConstraintViolationError) and cause.constraint_name == constraint


def _replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Make the pool replace a connection that died with its server, without a query on the others."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _assert_session(connection: asyncpg.Connection, opens: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
    """Refuse a connection pooler that drops settings, or gives a connection another session for each transaction.

    Behind one, a statement could run without limit, and nobody would hear that a client has ended.
    """
    settings = await connection.fetch("select name, setting from pg_settings where name = any($1)", list(_LIMITS))
    dropped = sorted(name for name, value in settings if value != _SERVER_SETTINGS[name])
    other = await opens()
    pids, others = set[int](), set[int]()
    try:
        # A pooler with one session would let the second transaction wait for the end of the first.
        async with asyncio.timeout(WAIT_SECONDS):
            pids.add(await connection.fetchval(_PID))
            # The other's open transaction would take the session that the first one has just left.
            async with other.transaction():
                others.add(await other.fetchval(_PID))
                pids.add(await connection.fetchval(_PID))
        shared = len(pids) > 1 or bool(pids & others)
    except TimeoutError:
        shared = True
    finally:
        await close_or_cut([other])
    if dropped or shared:
        reason = f"ignores {', '.join(dropped)}" if dropped else "changes the session between transactions"
        raise no_session(reason)


async def _assert_connections_available(connection: Any, workers: int) -> None:
    wanted = workers * (READERS + WRITERS + AUDITORS + PROBES + LISTENERS + BACKGROUND)
    available = int(await connection.fetchval("show max_connections")) - int(
        await connection.fetchval("show superuser_reserved_connections")
    )
    if wanted > available:
        raise ConfigurationError(
            f"{workers} workers need {wanted} connections, and the database accepts {available}.",
            "Raise max_connections of the server, or lower CONVENOR_WORKERS.",
        )
