"""What row-level security is told, and for how long: one transaction, never a session.

The settings are `convenor.areas`, `convenor.reach` and `convenor.keys` (see `Principal.context`); the policies in
the migrations read them. Without them no row is visible.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.security.principal import Principal, RowAccess

SETTINGS = ("convenor.areas", "convenor.reach", "convenor.keys")


def context_sql(first: int = 1) -> str:
    """The select list that sets the context inside a statement, from parameters `$first` onwards."""
    return ", ".join(f"set_config('{name}', ${first + at}, true)" for at, name in enumerate(SETTINGS))


async def set_context(session: AsyncSession, context: tuple[str, str, str], row_wait: str | None = None) -> None:
    """Sets the context of the transaction that `session` is in.

    Args:
        session: at the beginning of its transaction.
        context: the values of `SETTINGS`.
        row_wait: how long it waits for a row that another holds, from now on; as long as its connection does, if None.
    """
    settings = dict(zip(SETTINGS, context, strict=True)) | ({"lock_timeout": row_wait} if row_wait else {})
    calls = ", ".join(f"set_config('{name}', :c{at}, true)" for at, name in enumerate(settings))
    await session.execute(text(f"select {calls}"), {f"c{at}": value for at, value in enumerate(settings.values())})


async def set_context_of(session: AsyncSession, principal: Principal, row_wait: str | None = None) -> None:
    """Sets the context of a caller; `row_wait` as in `enter`."""
    await set_context(session, principal.context, row_wait)


def import_context(*areas: UUID) -> tuple[str, str, str]:
    """The context of a load that writes whole areas: used by commands, never by a request."""
    return "{" + ",".join(map(str, areas)) + "}", RowAccess.AREA.value, "{}"
