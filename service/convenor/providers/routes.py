"""Providers over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.http.write_routes import WriteContext, writes
from convenor.providers import rules
from convenor.providers.models import Provider
from convenor.providers.resource import PROVIDERS, ProviderRead
from convenor.providers.schemas import ProviderCreate, ProviderUpdate
from convenor.read_model.locking import Lock, get_for_update

router = APIRouter(tags=["providers"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/providers", PROVIDERS),
    record_route("/v1/providers/{id}", PROVIDERS),
]


@router.post("/v1/providers", status_code=201, response_model=ProviderRead)
async def create_provider(
    data: ProviderCreate, write: Annotated[WriteContext, writes("providers:write", "providers:create", creates=True)]
) -> Response:
    """Enters a provider in the directory."""
    provider = await rules.create_provider(write.session, write.principal, data)
    return await write.created(PROVIDERS, provider.id)


@router.patch("/v1/providers/{id}", response_model=ProviderRead)
async def update_provider(
    id: str,  # noqa: A002 - the name in the path
    data: ProviderUpdate,
    write: Annotated[WriteContext, writes("providers:write", "providers:update", changes=True)],
) -> Response:
    """Changes a provider's entry."""
    provider = await get_for_update(write.session, write.principal, PROVIDERS, Provider, id, Lock.REKEY)
    write.check_version(provider)
    provider.sqlmodel_update(data.given())
    provider.version += 1
    write.note_changes(data)
    return await write.changed(PROVIDERS, provider.id)
