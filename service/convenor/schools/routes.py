"""Schools over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.read_model.locking import Lock, get_for_update
from convenor.schools import rules
from convenor.schools.models import School
from convenor.schools.resource import SCHOOLS, SchoolRead
from convenor.schools.schemas import SchoolCreate, SchoolUpdate

router = ResourceRouter(Tag("schools", "The directory of schools."))
router.add_list("/v1/schools", SCHOOLS)
router.add_record("/v1/schools/{urn}", SCHOOLS)


@router.post("/v1/schools", status_code=201, response_model=SchoolRead)
async def create_school(
    data: SchoolCreate, write: Annotated[WriteContext, writes("schools:write", "schools:create", creates=True)]
) -> Response:
    """Create a school in the directory."""
    school = await rules.create_school(write.session, write.principal, data)
    return await write.created(SCHOOLS, school.id)


@router.patch("/v1/schools/{urn}", response_model=SchoolRead)
async def update_school(
    urn: str,
    data: SchoolUpdate,
    write: Annotated[WriteContext, writes("schools:write", "schools:update", changes=True)],
) -> Response:
    """Update a school."""
    school = await get_for_update(write.session, write.principal, SCHOOLS, School, urn, Lock.REKEY)
    return await write.update(SCHOOLS, school, data, rules.update_school)


FEATURE = Feature(router)
