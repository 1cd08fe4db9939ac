"""Restore a backup into an installation without data."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg

from convenor.backup.files import Backup, read_backup
from convenor.backup.programs import ProgramError, program, run
from convenor.config import Settings
from convenor.configuration_error import ConfigurationError
from convenor.database.login import Address
from convenor.embedded_postgres.open import open_database
from convenor.migrate import change_schema, migrate, refuse_unknown, upgrade
from convenor.private_files import replace_file
from convenor.revision import present_revision
from convenor.serving import database_urls, hold_data_folder
from convenor.startup_errors import explain_failure

_FILLED_BY_MIGRATIONS = ["alembic_version", "pathway"]
_LOCK_SECONDS = 10


def restore(settings: Settings, path: Path, say: Callable[[str], None]) -> None:
    """Restore the database and the keys of a backup, and bring the database to this version's schema.

    Args:
        settings: The data folder and the database.
        path: The file that `back_up` wrote, with its keys in the same folder.
        say: Prints a sentence about a long step.

    Raises:
        ConfigurationError: The backup is damaged, incomplete or too new, or the installation has data or other keys
            or is running, or the database refuses a step.
    """
    say("Checking the backup ...")
    backup = read_backup(path)
    refuse_unknown(backup.revision)
    with (
        explain_failure("The backup cannot be restored", "Correct that, then restore again."),
        hold_data_folder(settings.data_dir, settings.issuer),
    ):
        _refuse_other_keys(backup, settings.data_dir)
        with open_database(settings.data_dir, *database_urls(settings), say=say) as database:
            owner_url = database.require_owner_url()
            asyncio.run(_restore(backup, path, settings.data_dir, owner_url, say))
            migrate(owner_url, database.app_role, say)


async def _restore(backup: Backup, path: Path, data_dir: Path, owner_url: str, say: Callable[[str], None]) -> None:
    async with change_schema(owner_url, say) as connection:
        await _refuse_data(connection)
        major = connection.get_server_version().major
        if major < backup.postgresql:
            raise ConfigurationError(
                f"The backup was made on PostgreSQL {backup.postgresql}, and this server is PostgreSQL {major}.",
                "Restore it on a server of that version or a newer one.",
            )
        present = await present_revision(owner_url)
        refuse_unknown(present)
        if present:
            await upgrade(owner_url, "base")
            await connection.execute("drop table alembic_version")
        # Keys first: with other keys, restored rows would look correct but have wrong pseudonyms.
        _restore_files(backup, data_dir)
        say("Restoring the database ...")
        try:
            await run(
                program("pg_restore", major),
                Address.parse(owner_url, "the owner's login"),
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                "--schema=public",
                str(path),
            )
        except ProgramError as error:
            raise ConfigurationError(
                f"The database was not restored, and nothing was stored: {error}.",
                "Correct what PostgreSQL reports, then restore again.",
            ) from error
        # Without statistics, the first statements would be planned as for empty tables.
        await connection.execute("analyze")


async def _refuse_data(connection: asyncpg.Connection) -> None:
    """Refuse a database that holds data.

    The size of a table does not tell, because a row that was undone keeps its space. Row-level security hides the rows
    from the owner too, so it is lifted for the look, in a transaction that is undone.
    """
    tables = await connection.fetch(
        "select relname, quote_ident(relname), relforcerowsecurity from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> all($1)",
        _FILLED_BY_MIGRATIONS,
    )
    look = connection.transaction()
    await look.start()
    try:
        await connection.execute(f"set local lock_timeout = '{_LOCK_SECONDS}s'")
        for _name, quoted, forced in tables:
            if forced:
                await connection.execute(f"alter table public.{quoted} no force row level security")
        found = ", ".join(f"exists (select from public.{quoted})" for _name, quoted, _forced in tables)
        holds = await connection.fetchrow(f"select {found}")
    finally:
        await look.rollback()
    filled = [name for (name, _quoted, _forced), rows in zip(tables, holds or (), strict=True) if rows]
    if filled:
        raise ConfigurationError(
            f"This installation has data already (in {', '.join(sorted(filled)[:3])} ...).",
            "Restore into a new one: set CONVENOR_DATA_DIR to a new folder, or CONVENOR_DATABASE_URL and "
            "CONVENOR_OWNER_DATABASE_URL to an empty database.",
        )


def _refuse_other_keys(backup: Backup, data_dir: Path) -> None:
    """Refuse a data folder with keys that are not the backup's: another installation may rely on them."""
    for name, content in backup.files.items():
        path = data_dir / name
        if path.exists() and path.read_bytes() != content:
            raise ConfigurationError(
                f"{path} exists already, and is not the one of the backup.",
                "Set CONVENOR_DATA_DIR to a new folder. If no installation needs the keys in this one, move them away.",
            )


def _restore_files(backup: Backup, data_dir: Path) -> None:
    try:
        for name, content in backup.files.items():
            replace_file(data_dir / name, content)
    except OSError as error:
        raise ConfigurationError(
            f"The keys cannot be written to {data_dir}: {error.strerror}.",
            "Free some space, or give the folder to the system user that runs Convenor; then restore again.",
        ) from error
