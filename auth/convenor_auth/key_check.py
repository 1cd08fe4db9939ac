"""Check that an installation's keys are those that its database was written with. A lost key is never made anew."""

from pathlib import Path

import asyncpg
from sqlalchemy import CheckConstraint, Text
from sqlmodel import Field, SQLModel

from convenor.configuration_error import ConfigurationError
from convenor_auth.keys import HASH_FILE, ID_FILE, SEALING_FILES, check_value, load_secret_keys, make_keys


class KeyCheck(SQLModel, table=True):
    """The check values of the keys that are never replaced, from the time when they were made."""

    __tablename__ = "key_check"
    __table_args__ = (CheckConstraint("id", name="one_check"),)

    id: bool = Field(default=True, primary_key=True)
    hash_key: str = Field(sa_type=Text)
    id_key: str = Field(sa_type=Text)


async def settle_keys(url: str, data_dir: Path) -> None:
    """Make the keys of identities where the database was never used with any, and note their check values.

    Both logins may call this, and several processes at once.

    Raises:
        ConfigurationError: A key is missing, damaged or not the one that the database was written with.
    """
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("select exists (select from key_check)"):
            make_keys(data_dir, SEALING_FILES)
            load_secret_keys(data_dir)
            await connection.execute(
                "insert into key_check (id, hash_key, id_key) values (true, $1, $2) on conflict do nothing",
                *_values(data_dir),
            )
        await _compare(connection, data_dir)
    finally:
        await connection.close()


async def check_keys(url: str, data_dir: Path) -> None:
    """Refuse keys that are not those of the database. A database that was never used with any accepts every key.

    Raises:
        ConfigurationError: A key is missing, damaged or not the one that the database was written with.
    """
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("select to_regclass('public.key_check')") is not None:
            await _compare(connection, data_dir)
    finally:
        await connection.close()


async def _compare(connection: asyncpg.Connection, data_dir: Path) -> None:
    noted = await connection.fetchrow("select hash_key, id_key from key_check")
    if noted is None:
        return
    load_secret_keys(data_dir)
    for name, value, then in zip((HASH_FILE, ID_FILE), _values(data_dir), noted, strict=True):
        if value != then:
            raise ConfigurationError(
                f"{data_dir / name} is not the key that this database was written with.",
                "Restore it from a backup of this installation, or set CONVENOR_DATA_DIR to the folder that holds it.",
            )


def _values(data_dir: Path) -> tuple[str, str]:
    return check_value(data_dir / HASH_FILE), check_value(data_dir / ID_FILE)
