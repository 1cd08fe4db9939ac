"""Which schema a database is at, and which one is this version's: what a worker asks without loading Alembic."""

from pathlib import Path

import asyncpg


def migrations_folder() -> Path:
    """Where the revisions are: in the wheel, or else in the checkout."""
    shipped = Path(__file__).parent / "_migrations"
    return shipped if shipped.exists() else Path(__file__).parents[2] / "migrations"


def newest_revision() -> str:
    """This version's newest revision: revisions are numbered, and their files by them."""
    return max(path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*_*.py"))


def is_current(revision: str | None) -> bool:
    """Whether a database's revision is this version's newest."""
    return revision == newest_revision()


async def present_revision(url: str) -> str | None:
    """The revision that a database is at; None for one that was never migrated. Either login may ask."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("select to_regclass('public.alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("select version_num from alembic_version")
        return revision
    finally:
        await connection.close()
