"""What may happen to a school by itself. Which cluster it is in, and its conversion, are `memberships`'."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.problems import FieldErrors, StateConflict
from convenor.schools.models import School
from convenor.schools.schemas import SchoolCreate, SchoolUpdate
from convenor.security.principal import Principal


async def create_school(session: AsyncSession, principal: Principal, data: SchoolCreate) -> School:
    """Enters a school in the directory of an area.

    Raises:
        Invalid: for an area that is not the caller's, or an end before the start.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    errors.ends_after(data.opened_on, data.closed_on, "/closed_on")
    errors.raise_if_any()
    assert area
    school = School(area_id=area, **data.model_dump(exclude={"area"}))
    session.add(school)
    return school


def update_school(school: School, data: SchoolUpdate) -> None:
    """Changes what is said of a school.

    Raises:
        StateConflict: for another URN than the one it has.
        Invalid: for an end before the start.
    """
    if school.urn and data.urn not in (None, school.urn):
        raise StateConflict(
            "A school keeps its URN. Where another took its place, POST it to /v1/schools/{urn}/successor."
        )
    school.sqlmodel_update(data.given())
    errors = FieldErrors()
    errors.ends_after(school.opened_on, school.closed_on, "/closed_on")
    errors.raise_if_any()
    school.version += 1
