"""Commissioned services over REST."""

from functools import partial
from typing import Annotated

from starlette.responses import Response

from convenor.commissioned_services import rules
from convenor.commissioned_services.resource import SERVICES, ServiceRead
from convenor.commissioned_services.schemas import PromotionCreate, ServiceCreate, ServiceUpdate
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext

router = ResourceRouter(Tag("services", "Commissioned services with their providers, capacity and waiting times."))
router.add_list("/v1/services", SERVICES)
router.add_record("/v1/services/{service_id}", SERVICES)


@router.post("/v1/services", status_code=201, response_model=ServiceRead)
async def create_service(
    data: ServiceCreate, write: Annotated[WriteContext, writes("services:write", "services:create", creates=True)]
) -> Response:
    """Create a commissioned service."""
    service = await rules.create_service(write.session, write.principal, data)
    return await write.created(SERVICES, service.id)


@router.patch("/v1/services/{service_id}", response_model=ServiceRead)
async def update_service(
    service_id: str,
    data: ServiceUpdate,
    write: Annotated[WriteContext, writes("services:write", "services:update", changes=True)],
) -> Response:
    """Update a service: its description, capacity, provider or the clusters that buy it."""
    service, clusters = await rules.load_service(write.session, write.principal, service_id, data)
    return await write.update(SERVICES, service, data, partial(rules.update_service, clusters=clusters))


@router.post("/v1/services/{service_id}/promotion", status_code=201, response_model=ServiceRead)
async def promote_service(
    service_id: str,
    data: PromotionCreate,
    write: Annotated[WriteContext, writes("services:write", "services:promote", keyed=True)],
) -> Response:
    """Promote a local service to the core offer, with the evidence for it. Returns the service."""
    service, clusters = await rules.load_with_clusters(write.session, write.principal, service_id)
    promote = partial(rules.promote_service, clusters=clusters)
    return await write.update(SERVICES, service, data, promote, status=201)


FEATURE = Feature(router)
