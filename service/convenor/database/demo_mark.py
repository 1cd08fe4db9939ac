"""The mark of a database that holds a demo: a row of its own, written in the transaction that loads the demo.

A demo is for one machine: its data are invented, and a file holds the secrets of its clients.
"""

from datetime import date

import asyncpg
from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel


class DemoMark(SQLModel, table=True):
    """Which demo a database holds. Both are unknown of a demo that was loaded before there was this table."""

    __tablename__ = "demo"
    __table_args__ = (CheckConstraint("id", name="one_demo"),)

    id: bool = Field(default=True, primary_key=True)
    seed: int | None = None
    as_at: date | None = None


async def holds_demo(url: str) -> bool:
    """Whether a database, at this version's schema, holds a demo. Either login may ask."""
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("select exists (select from demo)"))
    finally:
        await connection.close()
