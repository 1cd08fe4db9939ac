"""Records that are to be changed: whoever cannot read one cannot change it, and who changes it does so alone."""

from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from convenor.kit.db import driver_connection
from convenor.kit.errors import NotFound
from convenor.kit.principal import Principal
from convenor.kit.reading.declare import Resource
from convenor.kit.reading.run import find

Row = TypeVar("Row", bound=SQLModel)


async def load_locked(
    session: AsyncSession, principal: Principal, resource: Resource, model: type[Row], key: str
) -> Row:
    """The record of an id or natural key, locked until the transaction ends.

    Args:
        session: in the caller's transaction.
        principal: for whom.
        resource: what says how it is named, and who reaches it.
        model: its table, whose key is the area and the id.
        key: as it stands in the path.

    Raises:
        NotFound: when there is none, or none that the caller reaches.
    """
    found = await find(await driver_connection(session), principal, resource, key)
    if found is None:
        raise NotFound
    return await session.get_one(model, found, with_for_update=True)
