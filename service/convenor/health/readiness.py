"""Whether requests can be served, found out by doing what each of them needs: the database, its tables, the audit."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from math import inf

import asyncpg

from convenor.audit.writer import rehearse
from convenor.revision import is_current

PATIENCE_SECONDS = 1
"""How long each check may take."""
GOOD_SECONDS = 1
"""How long an outcome is given to others that ask."""

Checks = dict[str, str]

_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_is_current = cache(is_current)


class Readiness:
    """The checks of one worker, on a connection of their own: requests that take every other cannot make them fail.

    One check runs at a time, and its outcome is good for everybody who asks meanwhile or just afterwards.
    """

    def __init__(self, opens: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._opens = opens
        self._connection: asyncpg.Connection | None = None
        self._checking: asyncio.Task[Checks] | None = None
        self._good_until = -inf

    async def check(self) -> Checks:
        """The outcome of each check, at most `GOOD_SECONDS` old."""
        if self._checking is None or (self._checking.done() and asyncio.get_running_loop().time() > self._good_until):
            self._checking = asyncio.create_task(self._check())
        # A caller that goes away does not end it for the others.
        return await asyncio.shield(self._checking)

    async def close(self) -> None:
        """Give the connection back, whatever it is at."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        self._drop()

    async def _check(self) -> Checks:
        try:
            return await self._check_database() | await self._check_audit()
        finally:
            self._good_until = asyncio.get_running_loop().time() + GOOD_SECONDS

    async def _check_database(self) -> Checks:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._opens()
                revision = await self._connection.fetchval("select version_num from alembic_version")
        except asyncpg.UndefinedTableError:
            return {"database": "ok", "tables": "failed"}
        except _TROUBLE:
            self._drop()
            return {"database": "failed", "tables": "unknown"}
        return {"database": "ok", "tables": "ok" if _is_current(revision) else "failed"}

    async def _check_audit(self) -> Checks:
        if self._connection is None:
            return {"audit": "unknown"}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await rehearse(self._connection)
        except _TROUBLE:
            self._drop()
            return {"audit": "failed"}
        return {"audit": "ok"}

    def _drop(self) -> None:
        """Leave a connection that may still be at something: the server ends what it is at within a second."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
