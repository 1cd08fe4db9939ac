"""The rules of providers."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.problems import FieldErrors
from convenor.providers.models import Provider
from convenor.providers.schemas import ProviderCreate
from convenor.security.principal import Principal


async def create_provider(session: AsyncSession, principal: Principal, data: ProviderCreate) -> Provider:
    """Add a provider to the directory of an area.

    Raises:
        Invalid: the area is not the caller's.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    errors.raise_if_any()
    assert area
    provider = Provider(area_id=area, **data.columns())
    session.add(provider)
    return provider
