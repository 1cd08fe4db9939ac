"""Make a backup, whether or not the service is running."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from convenor.backup.files import Backup, digest, drafted, key_files, publish, unwritable
from convenor.backup.programs import ProgramError, program, rows_in, run
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.login import Address, connect, refuse_another_database
from convenor.database.pools import close_or_cut
from convenor.embedded_postgres.server import DATABASE, open_embedded
from convenor.serving import refuse_unfinished_restore
from convenor.startup_errors import explain_failure
from convenor_auth.keys import load_secret_keys, load_signing_keys

_SETTING = "CONVENOR_BACKUP_DATABASE_URL"
_LOCK_SECONDS = 60
"""How long a backup waits for a table that another session has locked."""


@dataclass(frozen=True)
class _Dumped:
    """The properties of a dump, from its snapshot."""

    revision: str
    postgresql: int
    rows: dict[str, int]


def back_up(settings: Settings, path: Path, say: Callable[[str], None]) -> int:
    """Write a backup of the database to a file, and of the keys to another; both or none.

    The database is not migrated.

    Args:
        settings: The data folder and the database.
        path: The file, which does not exist yet, in a folder that does.
        say: Prints a sentence about a long step.

    Returns:
        The number of rows in the backup.

    Raises:
        ConfigurationError: The backup cannot be made; then no file is left.
    """
    refuse_unfinished_restore(settings.data_dir)
    _refuse_no_installation(settings)
    with drafted(path) as draft:
        # Before the dump, because missing or damaged keys make a backup worthless.
        load_signing_keys(settings.data_dir)
        load_secret_keys(settings.data_dir)
        with _opened(settings, say) as address:
            say("Dumping the database ...")
            dumped = asyncio.run(_dump(address, draft, path))
        say("Counting what the file holds ...")
        counted = rows_in(draft, program("pg_restore", dumped.postgresql))
        if counted != {table: rows for table, rows in dumped.rows.items() if rows}:
            raise ConfigurationError(
                "The file does not hold all rows of the database, so it was deleted.",
                "Check the disk, then try again.",
            )
        try:
            files = key_files(settings.data_dir)
            publish(draft, path, Backup(dumped.revision, dumped.postgresql, digest(draft), files))
        except OSError as error:
            raise unwritable(path, error) from error
    return sum(dumped.rows.values())


def _refuse_no_installation(settings: Settings) -> None:
    """Refuse a folder that holds no installation: an embedded database would be created in it."""
    data_dir, needed = settings.data_dir, "folder"
    with explain_failure(f"{data_dir} cannot be read", "Run Convenor as the same system user as before."):
        found = data_dir.is_dir()
        if settings.database_url is None:
            cluster, needed = data_dir / "postgres", "database in"
            found = cluster.is_dir() and any(cluster.iterdir())
    if not found:
        raise ConfigurationError(
            f"There is no {needed} {data_dir}.", "Set CONVENOR_DATA_DIR to the folder of the installation."
        )


@contextmanager
def _opened(settings: Settings, say: Callable[[str], None]) -> Iterator[Address]:
    """Open the database, and return the address of a login to which row-level security does not apply."""
    if settings.database_url is None:
        with open_embedded(settings.data_dir, say=say) as server:
            url = urlsplit(server.superuser_url)._replace(path=f"/{DATABASE}").geturl()
            yield Address.parse(url, "the embedded database")
        return
    if settings.backup_database_url is None:
        raise ConfigurationError(
            f"A backup of your own PostgreSQL server needs a separate login, and {_SETTING} is not set.",
            f"Set {_SETTING} to the login of convenor_backup, which deploy/postgres/roles.sql makes.",
        )
    address = Address.parse(settings.backup_database_url.get_secret_value(), _SETTING)
    other = Address.parse(settings.database_url.get_secret_value(), "CONVENOR_DATABASE_URL")
    # With the keys of one installation and the rows of another, nothing would fail before a restore is needed.
    asyncio.run(refuse_another_database(address, other))
    yield address


async def _dump(address: Address, draft: Path, path: Path) -> _Dumped:
    connection = await connect(address)
    try:
        # Never ended: its end fails where the server is gone, and would hide why the dump failed.
        await connection.transaction(isolation="repeatable_read", readonly=True).start()
        await connection.execute(
            "set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0;"
            f" set local lock_timeout = '{_LOCK_SECONDS}s'"
        )
        await _refuse_restricted_login(connection, address)
        if await connection.fetchval("select to_regclass('public.alembic_version')") is None:
            raise ConfigurationError(
                f"The database {address.server} was never migrated, so it holds no data.", "Name another database."
            )
        revision = await connection.fetchval("select version_num from alembic_version")
        major = connection.get_server_version().major
        # Later commits are in neither the count nor the file.
        snapshot = await connection.fetchval("select pg_export_snapshot()")
        rows = await _count(connection)
        await run(
            program("pg_dump", major),
            address,
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--lock-wait-timeout={_LOCK_SECONDS}s",
            f"--snapshot={snapshot}",
            f"--file={draft}",
        )
    except ProgramError as error:
        raise ConfigurationError(
            f"The backup cannot be written to {path}: {error}.",
            "Name a file on a disk with room for it, or correct what PostgreSQL reports, then try again.",
        ) from error
    except asyncpg.LockNotAvailableError as error:
        raise ConfigurationError(
            f"The backup waited {_LOCK_SECONDS} seconds for a table that another session has locked.",
            "Wait for a running migration to finish, or end long transactions (select pid, usename, state, xact_start "
            "from pg_stat_activity order by xact_start), then try again.",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConfigurationError(
            f"The database {address.server} cannot be read: {error}.",
            f"Correct that, or give {address.setting} the login that deploy/postgres/roles.sql makes, then try again.",
        ) from error
    finally:
        await close_or_cut([connection])
    return _Dumped(revision, major, rows)


async def _refuse_restricted_login(connection: asyncpg.Connection, address: Address) -> None:
    # Neither property is inherited from another role, so only the role itself counts.
    if not await connection.fetchval("select rolsuper or rolbypassrls from pg_roles where rolname = current_user"):
        raise ConfigurationError(
            f"The login of {address.setting} does not see every row, because row-level security applies to it.",
            "Let a database administrator run deploy/postgres/roles.sql with CONVENOR_BACKUP_PASSWORD set, and use "
            "the login that it makes.",
        )


async def _count(connection: asyncpg.Connection) -> dict[str, int]:
    tables = await connection.fetch(
        "select relname, quote_ident(relname) from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    counts = ", ".join(f"(select count(*) from public.{quoted})" for _name, quoted in tables)  # noqa: S608 (quoted)
    row = await connection.fetchrow(f"select {counts}")
    return {name: count for (name, _quoted), count in zip(tables, row or (), strict=True)}
