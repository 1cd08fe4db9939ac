"""Databases with nothing in them, for what commands load."""

from dataclasses import dataclass
from typing import Any

import asyncpg
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from support.databases import Server, named

from convenor.migrate import configuration


@dataclass
class Empty:
    """A database of a test's own. `superuser_url` sees past row-level security."""

    owner_url: str
    superuser_url: str

    @classmethod
    def of(cls, server: Server, name: str) -> "Empty":
        return Empty(named(server.owner_url, name), named(server.superuser_url, name))

    async def rows(self, query: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(self.superuser_url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


async def downgrade(owner_url: str, revision: str) -> None:
    """Take a database back to an earlier revision."""

    def run(connection: Connection) -> None:
        config = configuration()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(owner_url)
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()
