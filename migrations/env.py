"""Runs the migrations with the owner's login, given as `owner_url` in the configuration's attributes."""

import asyncio
from typing import Any

import asyncpg
from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from convenor.schema import metadata


def render_item(kind: str, item: Any, autogen: Any) -> str | bool:
    """Writes SQLModel's own types as SQLAlchemy's, so that a revision depends on SQLAlchemy alone."""
    if kind == "type" and type(item).__module__.startswith("sqlmodel"):
        name = type(item).__name__
        return {"AutoString": "sa.Text()", "UTCDateTime": "sa.DateTime(timezone=True)"}[name]
    return False


def compare_type(_context: Any, _inspected: Any, _column: Any, inspected: Any, declared: Any) -> bool | None:
    """Text is text, whether or not the field list gives it a length: lengths are the wire's to check."""
    if type(declared).__name__ == "AutoString":
        return type(inspected).__name__ not in ("TEXT", "Text")
    return None


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        compare_type=compare_type,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect() -> None:
    url = context.config.attributes["owner_url"]
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(url)
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_connect())
