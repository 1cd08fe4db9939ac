"""What may happen to an area, and in which one a new record lies."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.models import Area
from convenor.areas.resource import AREAS
from convenor.areas.schemas import InArea
from convenor.kit.db import driver_connection
from convenor.kit.errors import Faults
from convenor.kit.locking import lock, resolve
from convenor.kit.principal import Principal
from convenor.kit.reading.run import find


async def load_area(session: AsyncSession, principal: Principal, key: str) -> Area:
    """The area of an id or LA code, locked until the transaction ends.

    Raises:
        NotFound: when it is absent or not the caller's.
    """
    return await lock(session, Area, (await resolve(session, principal, AREAS, key))[1])


async def area_of(session: AsyncSession, principal: Principal, data: InArea, faults: Faults) -> UUID | None:
    """The area in which a new record lies: the one that is named, or the caller's only one; None with a fault noted."""
    if data.area is not None:
        found = await find(await driver_connection(session), principal, AREAS, data.area)
        if found is None:
            faults.unknown("/area", "area")
        return found and found[0]
    if len(principal.areas) == 1:
        return principal.areas[0]
    faults.add("/area", "required", "You work in several areas: name the one that the record lies in.")
    return None
