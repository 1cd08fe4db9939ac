"""Schools over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.http.write_routes import WriteContext, writes
from convenor.read_model.locking import Lock, get_for_update
from convenor.schools import rules
from convenor.schools.models import School
from convenor.schools.resource import SCHOOLS, SchoolRead
from convenor.schools.schemas import SchoolCreate, SchoolUpdate

router = APIRouter(tags=["schools"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/schools", SCHOOLS),
    record_route("/v1/schools/{urn}", SCHOOLS, "urn"),
]


@router.post("/v1/schools", status_code=201, response_model=SchoolRead)
async def create_school(
    data: SchoolCreate, write: Annotated[WriteContext, writes("schools:write", "schools:create", creates=True)]
) -> Response:
    """Enters a school in the directory."""
    school = await rules.create_school(write.session, write.principal, data)
    return await write.created(SCHOOLS, school.id)


@router.patch("/v1/schools/{urn}", response_model=SchoolRead)
async def update_school(
    urn: str,
    data: SchoolUpdate,
    write: Annotated[WriteContext, writes("schools:write", "schools:update", changes=True)],
) -> Response:
    """Changes what is said of a school."""
    school = await get_for_update(write.session, write.principal, SCHOOLS, School, urn, Lock.REKEY)
    write.check_version(school)
    rules.update_school(school, data)
    write.note_changes(data)
    return await write.changed(SCHOOLS, school.id)
