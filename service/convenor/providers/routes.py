"""Providers over REST."""

from fastapi import APIRouter
from starlette.responses import Response

from convenor.kit.locking import Lock, load_locked
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route
from convenor.kit.web.writes import Write, Writing
from convenor.providers import rules
from convenor.providers.models import Provider
from convenor.providers.resource import PROVIDERS, ProviderRead
from convenor.providers.schemas import ProviderCreate, ProviderUpdate

router = APIRouter(tags=["providers"], route_class=GuardedRoute)
reads = [
    list_route("/v1/providers", PROVIDERS),
    record_route("/v1/providers/{id}", PROVIDERS),
]


@router.post("/v1/providers", status_code=201, response_model=ProviderRead)
async def create_provider(
    data: ProviderCreate, write: Write = Writing("providers:write", "providers:create", creates=True)
) -> Response:
    """Enters a provider in the directory."""
    provider = await rules.create_provider(write.session, write.principal, data)
    return await write.created(PROVIDERS, provider.id)


@router.patch("/v1/providers/{id}", response_model=ProviderRead)
async def update_provider(
    id: str,  # noqa: A002 - the name in the path
    data: ProviderUpdate,
    write: Write = Writing("providers:write", "providers:update", changes=True),
) -> Response:
    """Changes a provider's entry."""
    provider = await load_locked(write.session, write.principal, PROVIDERS, Provider, id, Lock.REKEY)
    write.check_version(provider)
    provider.sqlmodel_update(data.given())
    provider.version += 1
    write.note_changes(data)
    return await write.changed(PROVIDERS, provider.id)
