"""Mark a database that holds a demo, with a row that the transaction which loads the demo writes.

A demo is for one machine only: its data are invented, and a file holds the secrets of its clients.
"""

from datetime import date

import asyncpg
from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel


class DemoMark(SQLModel, table=True):
    """The demo that a database holds. Seed and date are unknown for a demo that is older than this table."""

    __tablename__ = "demo"
    __table_args__ = (CheckConstraint("id", name="one_demo"),)

    id: bool = Field(default=True, primary_key=True)
    seed: int | None = None
    as_at: date | None = None


async def holds_demo(url: str) -> bool:
    """Check whether a database at this version's schema holds a demo. Both logins may read the mark."""
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("select exists (select from demo)"))
    finally:
        await connection.close()
