"""Areas over REST. The operator creates them, because each is a tenant."""

from typing import Annotated

from starlette.responses import Response

from convenor.areas import rules
from convenor.areas.resource import AREAS, AreaRead
from convenor.areas.schemas import AreaCreate, AreaUpdate
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext

router = ResourceRouter(
    Tag(
        "areas",
        "Local authorities, each with its integrated care board. Records of one area are not visible in another.",
    )
)
router.add_list("/v1/areas", AREAS)
router.add_record("/v1/areas/{area_id}", AREAS)


@router.post("/v1/areas", status_code=201, response_model=AreaRead)
async def create_area(
    data: AreaCreate, write: Annotated[WriteContext, writes("areas:create", "areas:create", creates=True)]
) -> Response:
    """Create the area of a local authority. For the operator, who then loads its files and registers its clients."""
    area = rules.create_area(write.session, data)
    return await write.created(AREAS, area.area_id)


@router.patch("/v1/areas/{area_id}", response_model=AreaRead)
async def update_area(
    area_id: str,
    data: AreaUpdate,
    write: Annotated[WriteContext, writes("areas:write", "areas:update", changes=True)],
) -> Response:
    """Update an area."""
    area = await rules.load_area(write.session, write.principal, area_id)
    return await write.update(AREAS, area, data)


FEATURE = Feature(router)
