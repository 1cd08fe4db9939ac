"""The rules of areas, and of the area that a new record belongs to."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.models import Area, area_id_of
from convenor.areas.resource import AREAS
from convenor.areas.schemas import AreaCreate, InArea
from convenor.database.pools import driver_connection
from convenor.problems import FieldErrors
from convenor.read_model.execute import Connection, resolve_reference
from convenor.read_model.locking import lock, resolve
from convenor.security.principal import Principal


def create_area(session: AsyncSession, data: AreaCreate) -> Area:
    """Create the area of a local authority, which can then be loaded and have clients."""
    area = Area(area_id=area_id_of(data.la_code), **data.columns())
    session.add(area)
    return area


async def load_area(session: AsyncSession, principal: Principal, key: str) -> Area:
    """Load the area of an id or LA code, locked until the transaction ends.

    Raises:
        NotFound: there is none, or it is not the caller's.
    """
    return await lock(session, Area, (await resolve(session, principal, AREAS, key))[1])


async def area_of(session: AsyncSession, principal: Principal, data: InArea, errors: FieldErrors) -> UUID | None:
    """Choose the area of a new record, as `choose_area` does."""
    return await choose_area(await driver_connection(session), principal, data.area, "/area", errors)


async def choose_area(
    connection: Connection, principal: Principal, key: str | None, pointer: str, errors: FieldErrors
) -> UUID | None:
    """Choose an area: the one that the caller names by id or LA code, or the caller's only one.

    Returns:
        Its id; None if there is none, with the error at `pointer` added to `errors`.
    """
    if key is not None:
        found = await resolve_reference(connection, principal, AREAS, key)
        if found is None:
            errors.unknown(pointer, "area")
        return found and found[0]
    if len(principal.areas) == 1:
        return principal.areas[0]
    errors.add(pointer, "required", "You work in several areas: name the one that you mean.")
    return None
