"""Find the area of an import, and open the owner's transaction in which it is written."""

import csv
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from convenor import reference
from convenor.areas.models import Area
from convenor.configuration_error import ConfigurationError
from convenor.database.ids import compose_uuid7
from convenor.database.row_security import import_context, set_context
from convenor.read_model.sealed_rows import SEALER
from convenor.security.sealing import Sealer

_LA_CODE = re.compile("[0-9]{3}")
_PROGRAMME_BEGAN = datetime(2018, 9, 1, tzinfo=UTC)


def area_id_of(la_code: str) -> UUID:
    """Return the id of the area of an LA code: a UUIDv7 whose random bits are a digest of the code.

    Row-level security hides every area that the context does not name, from the owner too, so an import must know the
    id of its area beforehand.
    """
    random = int.from_bytes(hashlib.sha256(f"area {la_code}".encode()).digest()[:10], "big")
    milliseconds = int(_PROGRAMME_BEGAN.timestamp()) * 1000
    return compose_uuid7(milliseconds, random >> 62 & 0xFFF, random & (1 << 62) - 1)


@asynccontextmanager
async def owner_transaction(owner_url: str, sealer: Sealer | None = None) -> AsyncIterator[AsyncSession]:
    """Open one transaction with the owner's login, and commit it if the block succeeds.

    Args:
        owner_url: The database.
        sealer: For what identifies pupils, where the transaction writes it.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(owner_url),
        hide_parameters=True,
    )
    try:
        async with AsyncSession(engine, expire_on_commit=False, info={SEALER: sealer}) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


@dataclass(frozen=True, slots=True)
class Authority:
    """An area to import into. `stored` says whether its row exists."""

    area_id: UUID
    la_code: str
    name: str
    gss_code: str | None = None
    stored: bool = False


def known_authorities() -> list[Authority]:
    """List the authorities of the programme's documents."""
    with reference.AREAS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Authority(area_id_of(row["la_code"]), row["la_code"], row["name"], row["gss_code"]) for row in rows]


async def enter_area(session: AsyncSession, named: str) -> Authority:
    """Find the area of an LA code or a known authority's name, and set the transaction's context to it.

    Raises:
        ConfigurationError: it is neither stored nor known.
    """
    known = {key: area for area in known_authorities() for key in (area.la_code, area.name.casefold())}
    found = known.get(named.strip().casefold())
    if found is None and _LA_CODE.fullmatch(named.strip()):
        found = Authority(area_id_of(named.strip()), named.strip(), "")
    if found is not None:
        await set_context(session, import_context(found.area_id))
        area = await session.get(Area, found.area_id)
        if area is not None:
            return Authority(area.area_id, area.la_code, area.name, area.gss_code, stored=True)
    if found is None or not found.name:
        names = ", ".join(f"{area.la_code} ({area.name})" for area in known_authorities())
        raise ConfigurationError(
            f"There is no area {named}.", f"Give the LA code of a loaded area, or one of: {names}."
        )
    return found
