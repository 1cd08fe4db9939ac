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
from convenor.embedded_postgres.open import Database, open_database
from convenor.migrate import change_schema, migrate, refuse_unknown, upgrade
from convenor.private_files import replace_file, sync_folder
from convenor.revision import present_revision
from convenor.serving import RESTORE_MARK, database_urls, hold_data_folder
from convenor.startup_errors import explain_failure
from convenor_auth.key_check import check_keys

_FILLED_BY_MIGRATIONS = ["alembic_version", "key_check", "pathway"]
_LOCK_SECONDS = 10
_POLL_SECONDS = 0.1
_USE_ATTEMPTS = 30


def restore(settings: Settings, path: Path, say: Callable[[str], None]) -> None:
    """Restore the database and the keys of a backup, and bring the database to this version's schema.

    A restore that ends before its end leaves the data folder marked. The same restore again completes it.

    Args:
        settings: The data folder and the database.
        path: The file that `back_up` wrote, with its keys in the same folder.
        say: Prints a sentence about a long step.

    Raises:
        ConfigurationError: The backup is damaged, incomplete or too new, or the installation has data or other keys
            or is in use, or the database refuses a step.
    """
    say("Checking the backup ...")
    backup = read_backup(path)
    refuse_unknown(backup.revision)
    with (
        explain_failure("The backup cannot be restored", "Correct that, then restore again."),
        hold_data_folder(settings.data_dir, settings.issuer, say),
    ):
        _refuse_other_keys(backup, settings.data_dir)
        with open_database(settings.data_dir, *database_urls(settings), say=say) as database:
            asyncio.run(_restore(backup, path, settings.data_dir, database, say))
            migrate(database.require_owner_url(), database.app_role, say)
            asyncio.run(check_keys(database.require_owner_url(), settings.data_dir))
        (settings.data_dir / RESTORE_MARK).unlink()
        sync_folder(settings.data_dir)


async def _restore(backup: Backup, path: Path, data_dir: Path, database: Database, say: Callable[[str], None]) -> None:
    owner_url, mark = database.require_owner_url(), data_dir / RESTORE_MARK
    owner = Address.parse(owner_url, "the owner's login")
    marked = f"{backup.sha256} into {owner.server}\n"
    async with change_schema(owner_url, say) as connection:
        filled = await _filled(connection)
        if filled and mark.exists() and mark.read_text(encoding="utf-8") == marked:
            # The mark was written while the database held nothing, and one transaction restored all rows.
            say("The rows of this backup were restored before the interruption.")
            _restore_files(backup, data_dir)
            return
        if filled:
            raise ConfigurationError(
                f"This installation has data already (in {', '.join(sorted(filled)[:3])} ...).",
                "Restore into a new one: set CONVENOR_DATA_DIR to a new folder, or CONVENOR_DATABASE_URL and "
                "CONVENOR_OWNER_DATABASE_URL to an empty database.",
            )
        await _refuse_use(connection, database.app_role)
        major = connection.get_server_version().major
        if major < backup.postgresql:
            raise ConfigurationError(
                f"The backup was made on PostgreSQL {backup.postgresql}, and this server is PostgreSQL {major}.",
                "Restore it on a server of that version or a newer one.",
            )
        present = await present_revision(owner_url)
        refuse_unknown(present)
        # From here to its end, a restore that is killed leaves the mark, so that no service starts on a part of it.
        replace_file(mark, marked)
        if present:
            await upgrade(owner_url, "base")
            await connection.execute("drop table alembic_version")
        # Keys first: with other keys, restored rows would look correct but have wrong pseudonyms.
        _restore_files(backup, data_dir)
        say("Restoring the database ...")
        try:
            await run(
                program("pg_restore", major),
                owner,
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                "--schema=public",
                str(path),
            )
        except ProgramError as error:
            raise ConfigurationError(
                f"The database was not restored, and none of its rows was stored: {error}.",
                "Correct what PostgreSQL reports, then restore again.",
            ) from error
        # Without statistics, the first statements would be planned as for empty tables.
        await connection.execute("analyze")


async def _refuse_use(connection: asyncpg.Connection, app_role: str) -> None:
    """Refuse a database that a service uses, from whichever data folder: its tables would vanish under it."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and usename = $1"
    for _attempt in range(_USE_ATTEMPTS):
        if not await connection.fetchval(query, app_role):
            return
        # A session that has just ended, such as the one that examined the login, is listed for a short time.
        await asyncio.sleep(_POLL_SECONDS)
    raise ConfigurationError(
        f"A service uses this database: {app_role} is connected to it.",
        "Stop every Convenor that has its address, or restore into an empty database of its own.",
    )


async def _filled(connection: asyncpg.Connection) -> list[str]:
    """List the tables that hold rows which no migration wrote.

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
    return [name for (name, _quoted, _forced), rows in zip(tables, holds or (), strict=True) if rows]


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
            (data_dir / name).parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(data_dir / name, content)
    except OSError as error:
        raise ConfigurationError(
            f"The keys cannot be written to {data_dir}: {error.strerror}.",
            "Free some space, or give the folder to the system user that runs Convenor; then restore again.",
        ) from error
