"""What may happen to an area, and in which one a new record lies."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.models import Area
from convenor.areas.resource import AREAS
from convenor.areas.schemas import InArea
from convenor.database.pools import driver_connection
from convenor.problems import FieldErrors
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import lock, resolve
from convenor.security.principal import Principal


async def load_area(session: AsyncSession, principal: Principal, key: str) -> Area:
    """The area of an id or LA code, locked until the transaction ends.

    Raises:
        NotFound: when it is absent or not the caller's.
    """
    return await lock(session, Area, (await resolve(session, principal, AREAS, key))[1])


async def area_of(session: AsyncSession, principal: Principal, data: InArea, errors: FieldErrors) -> UUID | None:
    """The area in which a new record lies: the one that is named, or the caller's only one; None with a fault noted."""
    if data.area is not None:
        found = await resolve_reference(await driver_connection(session), principal, AREAS, data.area)
        if found is None:
            errors.unknown("/area", "area")
        return found and found[0]
    if len(principal.areas) == 1:
        return principal.areas[0]
    errors.add("/area", "required", "You work in several areas: name the one that the record lies in.")
    return None
