"""Set the context of row-level security for one transaction, never for a session.

The policies in the migrations read the settings `convenor.areas`, `convenor.reach` and `convenor.keys` (see
`Principal.context`). Without them, no row is visible.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.security.principal import Principal, RowAccess

SETTINGS = ("convenor.areas", "convenor.reach", "convenor.keys")


def context_sql(first: int = 1) -> str:
    """Write the select list that sets the context inside a statement, from parameter `$first` onwards."""
    return ", ".join(f"set_config('{name}', ${first + at}, true)" for at, name in enumerate(SETTINGS))


async def set_context(session: AsyncSession, context: tuple[str, str, str], row_wait: str | None = None) -> None:
    """Set the context of a session's transaction.

    Args:
        session: a session at the beginning of its transaction.
        context: the values of `SETTINGS`.
        row_wait: the transaction's `lock_timeout`; None for the connection's.
    """
    settings = dict(zip(SETTINGS, context, strict=True)) | ({"lock_timeout": row_wait} if row_wait else {})
    calls = ", ".join(f"set_config('{name}', :c{at}, true)" for at, name in enumerate(settings))
    await session.execute(text(f"select {calls}"), {f"c{at}": value for at, value in enumerate(settings.values())})


async def set_context_of(session: AsyncSession, principal: Principal, row_wait: str | None = None) -> None:
    """Set the context of a caller; `row_wait` as in `set_context`."""
    await set_context(session, principal.context, row_wait)


@asynccontextmanager
async def acting_for_area(session: AsyncSession, principal: Principal, area: UUID) -> AsyncIterator[None]:
    """Let a rule complete, for all organisations of an area, what its caller may decide but not see.

    Nothing that is read within may decide what the caller is answered, but whether it can be completed.

    Args:
        session: in the caller's transaction.
        principal: the caller, whose context holds again afterwards.
        area: the only area whose rows are visible within.
    """
    await session.flush()
    await set_context(session, import_context(area))
    yield
    await session.flush()
    await set_context_of(session, principal)


def import_context(*areas: UUID) -> tuple[str, str, str]:
    """Return the context of whoever writes complete areas: an import, or `acting_for_area`."""
    return "{" + ",".join(map(str, areas)) + "}", RowAccess.AREA.value, "{}"


def worker_context(*areas: UUID) -> tuple[str, str, str]:
    """Return the context of the worker that does pending work. It alone sees that table, and no client has it."""
    return "{" + ",".join(map(str, areas)) + "}", RowAccess.WORKER.value, "{}"
