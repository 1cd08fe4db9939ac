"""What may happen to a provider's entry in the directory."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.problems import FieldErrors
from convenor.providers.models import Provider
from convenor.providers.schemas import ProviderCreate
from convenor.security.principal import Principal


async def create_provider(session: AsyncSession, principal: Principal, data: ProviderCreate) -> Provider:
    """Enters a provider in the directory of an area.

    Raises:
        Invalid: for an area that is not the caller's.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    errors.raise_if_any()
    assert area
    provider = Provider(area_id=area, **data.model_dump(exclude={"area"}))
    session.add(provider)
    return provider
