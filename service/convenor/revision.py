"""Compare a database's revision with this version's, without loading Alembic."""

from pathlib import Path

import asyncpg


def migrations_folder() -> Path:
    """Return the folder of the migrations, in the wheel or in the checkout."""
    shipped = Path(__file__).parent / "_migrations"
    return shipped if shipped.exists() else Path(__file__).parents[2] / "migrations"


def newest_revision() -> str:
    """Return this version's newest revision, by the numbers in the file names."""
    return max(path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*_*.py"))


def is_current(revision: str | None) -> bool:
    """Check whether a revision is this version's newest."""
    return revision == newest_revision()


async def present_revision(url: str) -> str | None:
    """Return a database's revision; None if it was never migrated. Both logins may read it."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("select to_regclass('public.alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("select version_num from alembic_version")
        return revision
    finally:
        await connection.close()
