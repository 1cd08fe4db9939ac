"""Seal anew what is stored: what an older release left in plain form, and what an older data key sealed."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy import func, literal, or_, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import col

import convenor.features  # noqa: F401 - the declarations seal the tables
from convenor.configuration_error import ConfigurationError
from convenor.database.constraints import AreaRow
from convenor.database.pools import again_after_deadlock
from convenor.database.row_security import import_context, set_context
from convenor.read_model.sealed_fields import SEALED_TABLES
from convenor.read_model.sealed_rows import SEALED_MODELS, SEALER, seal_stored
from convenor.security.sealing import NUMBER_BYTES, Sealer
from convenor_auth.keys import DATA_KEYS_FOLDER, data_key_files

BATCH = 500
"""Rows of one transaction: a short one, so that no request waits long for a row."""
WRITES_SECONDS = 60
"""How long writes may still run that began before: longer than a request may take."""
_POLL_SECONDS = 0.1
_WRITING = """
    select array_agg(transactionid::text) from pg_locks
    where locktype = 'transactionid' and mode = 'ExclusiveLock' and granted
        and pid in (select pid from pg_stat_activity where datname = current_database())
"""
"""The transactions of this database that have written; anybody may see their locks."""
Key = tuple[UUID, UUID]


@dataclass(frozen=True)
class Encrypted:
    """What `encrypt` did.

    Attributes:
        rows: How many rows were sealed.
        number: The data key that was the youngest at the beginning. No older one seals anything now.
    """

    rows: int
    number: int


def encrypt(app_url: str, owner_url: str | None, sealer: Sealer) -> Encrypted:
    """Seal with the youngest data key all that is not, while the service may be running.

    A repetition goes on where the last one ended, and changes nothing where all is done. Not for use inside a running
    event loop.

    Args:
        app_url: The database, with the application's login.
        owner_url: The owner's login, if it is known. The planner's statistics of plain columns are then renewed.
        sealer: With the installation's keys.

    Raises:
        ConfigurationError: Others write for too long, or what is stored does not open.
    """
    return asyncio.run(_encrypt(app_url, owner_url, sealer))


async def _encrypt(app_url: str, owner_url: str | None, sealer: Sealer) -> Encrypted:
    done, number = 0, sealer.youngest
    # What they sealed with an older key is not to be seen before they end. Later ones seal with this key.
    await _end_of_writes(app_url)
    async with _sessions(app_url, sealer) as sessions:
        areas = await _areas(sessions)
        for model in SEALED_MODELS:
            after: Key | None = None
            while keys := await again_after_deadlock(lambda m=model, a=after: _batch(sessions, areas, number, m, a)):  # type: ignore[misc]
                done, after = done + len(keys), keys[-1]
    if done and owner_url:
        connection = await asyncpg.connect(owner_url)
        try:
            await connection.execute(f"analyze {', '.join(SEALED_TABLES)}")
        finally:
            await connection.close()
    return Encrypted(done, number)


async def _end_of_writes(url: str) -> None:
    """Wait for the end of the transactions that have written."""
    connection = await asyncpg.connect(url)
    try:
        deadline = time.monotonic() + WRITES_SECONDS
        before = set(await connection.fetchval(_WRITING) or ())
        while before & set(await connection.fetchval(_WRITING) or ()):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"Transactions that began before this command have been writing for {WRITES_SECONDS} seconds.",
                    "Wait for them, or end them (select pid, usename, state, xact_start from pg_stat_activity order by "
                    "xact_start); then repeat the command.",
                )
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await connection.close()


async def _batch(
    sessions: async_sessionmaker[AsyncSession],
    areas: list[UUID],
    number: int,
    model: type[AreaRow],
    after: Key | None,
) -> list[Key]:
    """Seal the next rows of a table that an older data key sealed, or none; return their keys."""
    youngest = literal(number.to_bytes(NUMBER_BYTES, "big"))
    ciphertexts = [col(getattr(model, name)) for name in SEALED_TABLES[str(model.__tablename__)].ciphertexts]
    older = or_(
        *(each.is_(None) for each in ciphertexts),
        *(func.substr(each, 1, NUMBER_BYTES) < youngest for each in ciphertexts),
    )
    key = tuple_(col(model.area_id), col(model.id))
    following = [key > tuple_(*map(literal, after))] if after else []
    async with sessions.begin() as session:
        await set_context(session, import_context(*areas))
        rows = await seal_stored(session, model, [older, *following], BATCH)
        return [(row.area_id, row.id) for row in rows]


async def data_keys_in_use(app_url: str) -> Mapping[int | None, int]:
    """Count the ciphertexts by the number of their data key; by None what is stored in plain form instead.

    Rows that the worker adds have neither, until somebody states what is sealed in them.
    """
    found: Counter[int | None] = Counter()
    async with _sessions(app_url, None) as sessions, sessions.begin() as session:
        await set_context(session, import_context(*await _areas(sessions)))
        for table in SEALED_TABLES.values():
            for group, columns in table.groups.items():
                name, plain = f"sealed_{group}", ", ".join(f'"{column}"' for column in columns)
                rows = await session.execute(
                    text(
                        f"select substr({name}, 1, {NUMBER_BYTES}), count(*) from {table.name}"  # noqa: S608
                        f" where {name} is not null or num_nonnulls({plain}) > 0 group by 1"
                    )
                )
                for number, count in rows:
                    found[None if number is None else int.from_bytes(number, "big")] += count
    return found


def refuse_lost_keys(in_use: Collection[int | None], data_dir: Path) -> None:
    """Refuse to go on without a data key that is in use. See `data_keys_in_use`.

    Raises:
        ConfigurationError: A key is lost that ciphertexts need.
    """
    if lost := sorted({number for number in in_use if number is not None} - set(data_key_files(data_dir))):
        names = ", ".join(f"{number}.key" for number in lost)
        raise ConfigurationError(
            f"{data_dir / DATA_KEYS_FOLDER}: {names} {'is' if len(lost) == 1 else 'are'} missing, and ciphertexts"
            " need it.",
            "Restore it from a backup. Without it, these identities cannot be read.",
        )


async def _areas(sessions: async_sessionmaker[AsyncSession]) -> list[UUID]:
    """Return the areas that anybody has ever worked in, which alone can hold what identifies a pupil."""
    async with sessions() as session:
        return list(await session.scalars(text("select distinct area_id from client_grant")))


@asynccontextmanager
async def _sessions(url: str, sealer: Sealer | None) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(url, server_settings={"timezone": "UTC"}),
        hide_parameters=True,
    )
    try:
        yield async_sessionmaker(engine, expire_on_commit=False, info={SEALER: sealer})
    finally:
        await engine.dispose()
