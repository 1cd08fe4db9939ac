"""Another session of the database, which holds what a call needs for as long as a test likes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from support.api_client import Service


@dataclass
class Holder:
    """Another session of the database, in a transaction; it is never the one that a deadlock ends."""

    connection: asyncpg.Connection
    watcher: asyncpg.Connection

    async def hold(self, table: str, where: str) -> None:
        """Lock a row."""
        await self.connection.execute(f"select from {table} where {where} for update")

    async def is_waited_for(self, by: asyncio.Task[Any]) -> None:
        """Return once a call waits for what this holds."""
        waiting = "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))"
        while not await self.watcher.fetchval(waiting, self.connection.get_server_pid()):
            assert not by.done(), by.result().text


@asynccontextmanager
async def holding(service: Service) -> AsyncIterator[Holder]:
    """Open a session that can hold rows until the block ends."""
    connection, watcher = [await asyncpg.connect(service.superuser_url) for _ in range(2)]
    try:
        await connection.execute("set deadlock_timeout = '1h'")
        transaction = connection.transaction()
        await transaction.start()
        yield Holder(connection, watcher)
        await transaction.rollback()
    finally:
        await connection.close()
        await watcher.close()
