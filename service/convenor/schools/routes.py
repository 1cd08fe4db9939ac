"""Schools over REST."""

from fastapi import APIRouter
from starlette.responses import Response

from convenor.kit.locking import Lock, load_locked
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route
from convenor.kit.web.writes import Write, Writing
from convenor.schools import rules
from convenor.schools.models import School
from convenor.schools.resource import SCHOOLS, SchoolRead
from convenor.schools.schemas import SchoolCreate, SchoolUpdate

router = APIRouter(tags=["schools"], route_class=GuardedRoute)
reads = [
    list_route("/v1/schools", SCHOOLS),
    record_route("/v1/schools/{urn}", SCHOOLS, "urn"),
]


@router.post("/v1/schools", status_code=201, response_model=SchoolRead)
async def create_school(
    data: SchoolCreate, write: Write = Writing("schools:write", "schools:create", creates=True)
) -> Response:
    """Enters a school in the directory."""
    school = await rules.create_school(write.session, write.principal, data)
    return await write.created(SCHOOLS, school.id)


@router.patch("/v1/schools/{urn}", response_model=SchoolRead)
async def update_school(
    urn: str, data: SchoolUpdate, write: Write = Writing("schools:write", "schools:update", changes=True)
) -> Response:
    """Changes what is said of a school."""
    school = await load_locked(write.session, write.principal, SCHOOLS, School, urn, Lock.REKEY)
    write.check_version(school)
    rules.update_school(school, data)
    write.note_changes(data)
    return await write.changed(SCHOOLS, school.id)
