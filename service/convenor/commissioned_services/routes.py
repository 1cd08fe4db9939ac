"""Commissioned services over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.commissioned_services import rules
from convenor.commissioned_services.models import CommissionedService
from convenor.commissioned_services.resource import SERVICES, ServiceRead
from convenor.commissioned_services.schemas import PromotionCreate, ServiceCreate, ServiceUpdate
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.http.write_routes import WriteContext, writes
from convenor.read_model.locking import Lock, get_for_update

router = APIRouter(tags=["services"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/services", SERVICES),
    record_route("/v1/services/{id}", SERVICES),
]


@router.post("/v1/services", status_code=201, response_model=ServiceRead)
async def create_service(
    data: ServiceCreate, write: Annotated[WriteContext, writes("services:write", "services:create", creates=True)]
) -> Response:
    """Adds a service to the offer."""
    service = await rules.create_service(write.session, write.principal, data)
    return await write.created(SERVICES, service.id)


@router.patch("/v1/services/{id}", response_model=ServiceRead)
async def update_service(
    id: str,  # noqa: A002 - the name in the path
    data: ServiceUpdate,
    write: Annotated[WriteContext, writes("services:write", "services:update", changes=True)],
) -> Response:
    """Changes a service: what is said of it, its capacity, its provider, the clusters that buy it."""
    clusters = await rules.lock_clusters(write.session, write.principal, data.clusters or [])
    how = Lock.REKEY if data.provider else Lock.CHANGE
    service = await get_for_update(write.session, write.principal, SERVICES, CommissionedService, id, how)
    write.check_version(service)
    await rules.update_service(write.session, write.principal, service, data, clusters)
    write.note_changes(data)
    return await write.changed(SERVICES, service.id)


@router.post("/v1/services/{id}/promotion", status_code=201, response_model=ServiceRead)
async def promote_service(
    id: str,  # noqa: A002
    data: PromotionCreate,
    write: Annotated[WriteContext, writes("services:write", "services:promote", keyed=True)],
) -> Response:
    """Promotes a local service to the core offer, with the evidence that carried it; answers with the service."""
    service, clusters = await rules.load_with_clusters(write.session, write.principal, id)
    write.check_version(service)
    await rules.promote_service(write.session, service, clusters, data.evidence)
    write.note_changes(data)
    return await write.changed(SERVICES, service.id, status=201)
