"""Providers over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.providers import rules
from convenor.providers.models import Provider
from convenor.providers.resource import PROVIDERS, ProviderRead
from convenor.providers.schemas import ProviderCreate, ProviderUpdate
from convenor.read_model.locking import Lock, get_for_update

router = ResourceRouter(
    Tag("providers", "NHS bodies, local authority teams, voluntary organisations and others that provide services.")
)
router.add_list("/v1/providers", PROVIDERS)
router.add_record("/v1/providers/{provider_id}", PROVIDERS)


@router.post("/v1/providers", status_code=201, response_model=ProviderRead)
async def create_provider(
    data: ProviderCreate, write: Annotated[WriteContext, writes("providers:write", "providers:create", creates=True)]
) -> Response:
    """Create a provider in the directory."""
    provider = await rules.create_provider(write.session, write.principal, data)
    return await write.created(PROVIDERS, provider.id)


@router.patch("/v1/providers/{provider_id}", response_model=ProviderRead)
async def update_provider(
    provider_id: str,
    data: ProviderUpdate,
    write: Annotated[WriteContext, writes("providers:write", "providers:update", changes=True)],
) -> Response:
    """Update a provider."""
    provider = await get_for_update(write.session, write.principal, PROVIDERS, Provider, provider_id, Lock.REKEY)
    return await write.update(PROVIDERS, provider, data)


FEATURE = Feature(router)
