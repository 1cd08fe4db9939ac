"""Find the area of an import, and open the owner's transaction in which it is written."""

import csv
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from convenor import reference
from convenor.areas.models import Area, area_id_of
from convenor.areas.schemas import AreaCreate
from convenor.configuration_error import ConfigurationError
from convenor.database.row_security import import_context, set_context
from convenor.importers.command_audit import add_command_event
from convenor.read_model.sealed_rows import SEALER
from convenor.security.sealing import Sealer

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('convenor load ' || :area, 0))")
"""Two commands that write one area do so one after the other."""

_LA_CODE = re.compile("[0-9]{3}")


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


async def create_area(owner_url: str, **fields: str | None) -> Area:
    """Create the area of a local authority.

    Args:
        owner_url: the owner's login.
        fields: those of `AreaCreate`.

    Raises:
        ConfigurationError: a field is wrong, or the area exists.
    """
    try:
        data = AreaCreate.model_validate(fields)
    except ValidationError as error:
        wrong = [f"--{str(each['loc'][0]).replace('_', '-')}: {each['msg'].rstrip('.')}" for each in error.errors()]
        raise ConfigurationError(f"The area cannot be created: {'; '.join(wrong)}.", "Correct that.") from None
    async with owner_transaction(owner_url) as session:
        area = Area(area_id=area_id_of(data.la_code), **data.columns())
        await set_context(session, import_context(area.area_id))
        await session.execute(_ONE_AT_A_TIME, {"area": str(area.area_id)})
        there = await session.get(Area, area.area_id)
        if there is not None:
            raise ConfigurationError(
                f"There is an area {there.la_code} already: {there.name}.",
                f"Load its files with `convenor load --area {there.la_code}`. "
                "A commissioner corrects its name over the API.",
            )
        session.add(area)
        await add_command_event(session, "areas:create", areas=[area.area_id], records=[area.area_id])
    return area


async def enter_area(session: AsyncSession, named: str) -> Authority:
    """Find the area of an LA code or a known authority's name, lock it, and set the transaction's context to it.

    Raises:
        ConfigurationError: it is neither stored nor known.
    """
    known = {key: area for area in known_authorities() for key in (area.la_code, area.name.casefold())}
    found = known.get(named.strip().casefold())
    if found is None and _LA_CODE.fullmatch(named.strip()):
        found = Authority(area_id_of(named.strip()), named.strip(), "")
    if found is not None:
        await set_context(session, import_context(found.area_id))
        await session.execute(_ONE_AT_A_TIME, {"area": str(found.area_id)})
        area = await session.get(Area, found.area_id)
        if area is not None:
            return Authority(area.area_id, area.la_code, area.name, area.gss_code, stored=True)
    if found is None or not found.name:
        names = ", ".join(f"{area.la_code} ({area.name})" for area in known_authorities())
        raise ConfigurationError(
            f"There is no area {named}.",
            "Create it with `convenor areas create`, give the LA code of an area that there is, "
            f"or one of the programme's documents: {names}.",
        )
    return found
