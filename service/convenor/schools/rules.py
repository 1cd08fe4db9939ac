"""The rules of a single school. Its cluster and its conversion are in `memberships`."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.problems import FieldErrors, StateConflict
from convenor.schools.models import School
from convenor.schools.schemas import SchoolCreate, SchoolUpdate
from convenor.security.principal import Principal


async def create_school(session: AsyncSession, principal: Principal, data: SchoolCreate) -> School:
    """Add a school to the directory of an area.

    Raises:
        Invalid: the area is not the caller's, or the school closes before it opens.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    errors.ends_after(data.opened_on, data.closed_on, "/closed_on")
    errors.raise_if_any()
    assert area
    school = School(area_id=area, **data.columns())
    session.add(school)
    return school


async def update_school(_session: AsyncSession, _principal: Principal, school: School, data: SchoolUpdate) -> None:
    """Update a school.

    Raises:
        StateConflict: the school has another URN.
        Invalid: the school closes before it opens.
    """
    if school.urn and data.urn not in (None, school.urn):
        raise StateConflict(
            "A school keeps its URN. If another school replaced it, POST that one to /v1/schools/{urn}/successor."
        )
    school.sqlmodel_update(data.columns())
    errors = FieldErrors()
    errors.ends_after(school.opened_on, school.closed_on, "/closed_on")
    errors.raise_if_any()
    school.version += 1
