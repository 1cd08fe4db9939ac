"""Areas over REST. An area is made by a load: it is a tenant, and no partner founds one."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.areas import rules
from convenor.areas.resource import AREAS, AreaRead
from convenor.areas.schemas import AreaUpdate
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.http.write_routes import WriteContext, writes

router = APIRouter(tags=["areas"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/areas", AREAS),
    record_route("/v1/areas/{id}", AREAS),
]


@router.patch("/v1/areas/{id}", response_model=AreaRead)
async def update_area(
    id: str,  # noqa: A002 - the name in the path
    data: AreaUpdate,
    write: Annotated[WriteContext, writes("areas:write", "areas:update", changes=True)],
) -> Response:
    """Describes an area."""
    area = await rules.load_area(write.session, write.principal, id)
    write.check_version(area)
    area.sqlmodel_update(data.given())
    area.version += 1
    write.note_changes(data)
    return await write.changed(AREAS, area.area_id)
