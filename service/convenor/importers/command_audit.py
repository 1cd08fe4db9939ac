"""Write the audit event of a command that changes something, in the transaction of its change."""

import getpass
from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.audit.record import AuditRecord, AuditSource, events_of
from convenor.audit.writer import add_events
from convenor.database.pools import driver_connection


async def add_command_event(
    session: AsyncSession,
    action: str,
    *,
    areas: Sequence[UUID] = (),
    records: Sequence[UUID] = (),
    client_id: str | None = None,
) -> None:
    """Write who did what, as the last statement of a command's transaction.

    Args:
        session: the caller commits it.
        action: `resource:action`.
        areas: the areas that it concerns; none for the installation.
        records: the records that it concerns.
        client_id: the client that it concerns.
    """
    await session.flush()
    source = AuditSource(str(uuid4()), user=_user())
    record = AuditRecord(action, records, areas=areas, client_id=client_id)
    await add_events(await driver_connection(session), events_of(source, record, 200))


def _user() -> str:
    try:
        return f"{getpass.getuser()}, by command"
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return "somebody, by command"
