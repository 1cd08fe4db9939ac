"""What may happen to a provider's entry in the directory."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.kit.db import driver_connection
from convenor.kit.errors import Faults, NotFound
from convenor.kit.principal import Principal
from convenor.kit.reading.run import find
from convenor.providers.models import Provider
from convenor.providers.resource import PROVIDERS
from convenor.providers.schemas import ProviderCreate


async def create_provider(session: AsyncSession, principal: Principal, data: ProviderCreate) -> Provider:
    """Enters a provider in the directory of an area.

    Raises:
        Invalid: for an area that is not the caller's.
    """
    faults = Faults()
    area = await area_of(session, principal, data, faults)
    faults.refuse()
    assert area
    provider = Provider(area_id=area, **data.model_dump(exclude={"area"}))
    session.add(provider)
    return provider


async def load_provider(session: AsyncSession, principal: Principal, key: str) -> Provider:
    """The provider of an id or ODS code, locked until the transaction ends.

    Raises:
        NotFound: when it is absent or not of the caller's area.
    """
    found = await find(await driver_connection(session), principal, PROVIDERS, key)
    if found is None:
        raise NotFound
    return await session.get_one(Provider, found, with_for_update=True)
