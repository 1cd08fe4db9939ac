"""Check whether requests can be answered, by using what each of them needs: the database, its tables, the audit."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from math import inf

import asyncpg

from convenor.audit.writer import AuditWriter, rehearse
from convenor.catalogue import faults_of
from convenor.database.login import examine_login
from convenor.database.pending_work import stuck
from convenor.database.pools import DATABASE_ERRORS
from convenor.log import log
from convenor.revision import is_current

CHECK_SECONDS = 1
"""How long each check may take."""
CACHE_SECONDS = 1
"""How long an outcome is reused for other callers."""

Checks = dict[str, str]

_FAILURES = (*DATABASE_ERRORS, OSError)
_is_current = cache(is_current)


class Readiness:
    """The checks of one worker. They have their own connection, so that a busy pool cannot make them fail.

    One check runs at a time. Callers during the check, or within `CACHE_SECONDS` after it, get the same outcome.
    """

    def __init__(self, opens: Callable[[], Awaitable[asyncpg.Connection]], audit_writer: AuditWriter) -> None:
        self._opens = opens
        self._audit_writer = audit_writer
        self._connection: asyncpg.Connection | None = None
        self._checking: asyncio.Task[Checks] | None = None
        self._cached_until = -inf
        self._problems: list[str] = []

    async def check(self) -> Checks:
        """Return the outcome of each check, at most `CACHE_SECONDS` old."""
        if self._checking is None or (self._checking.done() and asyncio.get_running_loop().time() > self._cached_until):
            self._checking = asyncio.create_task(self._check())
        # A caller that disconnects must not cancel the check for the others.
        return await asyncio.shield(self._checking)

    async def close(self) -> None:
        """Cancel a running check and close the connection."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        self._drop()

    async def _check(self) -> Checks:
        try:
            checks = await self._check_database()
            if checks["tables"] != "ok":
                return checks | {"pending_work": "unknown", "audit": "unknown"}
            return checks | await self._check_pending_work() | await self._check_audit()
        finally:
            self._cached_until = asyncio.get_running_loop().time() + CACHE_SECONDS

    async def _check_database(self) -> Checks:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._opens()
                problems = await _problems(self._connection)
        except _FAILURES:
            self._drop()
            return {"database": "failed", "tables": "unknown"}
        if problems and problems != self._problems:
            log.error("not ready: %s", " ".join(problems))
        self._problems = problems
        return {"database": "ok", "tables": "failed" if problems else "ok"}

    async def _check_audit(self) -> Checks:
        if self._connection is None:
            return {"audit": "unknown"}
        # A new connection says nothing about the ones that the writer has.
        if self._audit_writer.is_failing:
            return {"audit": "failed"}
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await rehearse(self._connection)
        except _FAILURES:
            self._drop()
            return {"audit": "failed"}
        return {"audit": "ok"}

    async def _check_pending_work(self) -> Checks:
        if self._connection is None:
            return {"pending_work": "unknown"}
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                late = await stuck(self._connection)
        except _FAILURES:
            self._drop()
            return {"pending_work": "unknown"}
        return {"pending_work": "late" if late else "ok"}

    def _drop(self) -> None:
        """Drop the connection without waiting; the server ends its statement within a second."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _problems(connection: asyncpg.Connection) -> list[str]:
    """List why no request could be answered, or none kept to its area, by the catalogue alone."""
    try:
        revision = await connection.fetchval("select version_num from alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        pass  # The comparison names it.
    else:
        if not _is_current(revision):
            return [f"The database is at revision {revision}, which is not this version's."]
    login = await examine_login(connection)
    faults = await faults_of(connection, login.role)
    return [f"{login.role} {reason}." for reason in login.escapes] + [fault.problem for fault in faults if fault.stops]
