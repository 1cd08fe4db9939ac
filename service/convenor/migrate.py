"""Migrate a database to this version's schema, and grant the application's role exactly its privileges."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from convenor.configuration_error import ConfigurationError
from convenor.database.pools import driver_error
from convenor.log import say_nothing
from convenor.privileges import PRIVILEGES, READ_ONLY
from convenor.revision import migrations_folder, newest_revision, present_revision

SCHEMA_LOCK = int.from_bytes(b"convenor", "big")
"""The key of the advisory lock under which one session at a time changes the schema of a database."""
LOCK_TIMEOUT_SECONDS = 3.0
"""How long a migration waits for a table: less than a request does, so that requests queueing behind it succeed."""
ATTEMPTS = 5

_POLL_SECONDS = 0.1
_SCHEMA_LOCK_SECONDS = 600


def configuration() -> Config:
    """Return Alembic's configuration; its attributes hold the connection."""
    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def migrate(
    owner_url: str,
    app_role: str,
    say: Callable[[str], None] = say_nothing,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> None:
    """Upgrade to the newest revision and grant the application's role its privileges. A repetition changes nothing.

    Several processes may call this at once: one of them migrates, and the others wait.

    Args:
        owner_url: The database, with the owner's login.
        app_role: The name of the application's role.
        say: Prints a sentence about a long step.
        lock_timeout_seconds: How long one attempt waits for tables in use, and how long the pause after it is.

    Raises:
        ConfigurationError: The database is newer than this version of Convenor, or others hold its tables for too long.
    """

    async def run() -> None:
        async with change_schema(owner_url, say) as connection:
            present = await present_revision(owner_url)
            refuse_unknown(present)
            if present != newest_revision():
                await _upgrade_patiently(owner_url, say, lock_timeout_seconds)
            await _grant(connection, app_role)

    asyncio.run(run())


def refuse_unknown(revision: str | None) -> None:
    """Refuse a database whose revision this version of Convenor does not know.

    Raises:
        ConfigurationError: The revision is not among this version's.
    """
    known = {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}
    if revision and revision not in known:
        raise ConfigurationError(
            f"The database is at revision {revision}, which this version of Convenor does not know.",
            "Run the version of Convenor that migrated it, or a newer one.",
        )


@asynccontextmanager
async def change_schema(owner_url: str, say: Callable[[str], None]) -> AsyncIterator[asyncpg.Connection]:
    """Hold the lock for changes of the schema, which ends with the session.

    Raises:
        ConfigurationError: Another session has held it for ten minutes.
    """
    connection = await asyncpg.connect(owner_url)
    try:
        deadline = time.monotonic() + _SCHEMA_LOCK_SECONDS
        # Poll, because a session that waits inside one statement holds a snapshot, and `create index concurrently` in
        # the session with the lock would wait for that.
        waits = False
        while not await connection.fetchval("select pg_try_advisory_lock($1)", SCHEMA_LOCK):
            if not waits:
                say("Another process changes the schema of this database; waiting for it ...")
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    "Another process has been changing the schema of this database for ten minutes.",
                    "Wait for it, or end it (its session holds an advisory lock in pg_locks); then start again.",
                )
            waits = True
            await asyncio.sleep(_POLL_SECONDS)
        yield connection
    finally:
        await connection.close()


async def upgrade(owner_url: str, revision: str = "head", lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
    """Run the migrations up to a revision, or down to `base`, in one transaction, while holding the lock."""

    def run(connection: Connection) -> None:
        config = configuration()
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)

    settings = {"lock_timeout": str(int(lock_timeout_seconds * 1000))}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(owner_url, server_settings=settings),
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def _upgrade_patiently(owner_url: str, say: Callable[[str], None], lock_timeout_seconds: float) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return await upgrade(owner_url, lock_timeout_seconds=lock_timeout_seconds)
        except DBAPIError as error:
            if not isinstance(driver_error(error), asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError):
                raise
        if attempt == 0:
            say("The migration waits for tables that others use ...")
        # Sessions that queued behind this attempt proceed before the next one.
        await asyncio.sleep(lock_timeout_seconds)
    raise ConfigurationError(
        f"The schema cannot be changed: after {ATTEMPTS} attempts, others still lock its tables. Nothing was changed.",
        "End long transactions, or wait for a running backup to finish (select pid, usename, state, xact_start from "
        "pg_stat_activity order by xact_start), then start again.",
    )


async def _grant(connection: asyncpg.Connection, app_role: str) -> None:
    """Grant only privileges that differ: each grant rewrites rows of the catalogue, which others may also write."""
    role = '"' + app_role.replace('"', '""') + '"'
    rows = await connection.fetch(
        """
        select c.relname as name, array(
            select lower(privilege_type) from aclexplode(c.relacl) where grantee = to_regrole($1)
            union all
            select 'some columns' from pg_attribute a, aclexplode(a.attacl) of_column
            where a.attrelid = c.oid and of_column.grantee = to_regrole($1)
        ) as held
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and (c.relkind in ('r', 'p') or c.relname = any($2))
        """,
        role,
        READ_ONLY,
    )
    statements = []
    if not await connection.fetchval("select has_schema_privilege(to_regrole($1), 'public', 'usage')", role):
        statements.append(f"grant usage on schema public to {role}")
    for name, held in rows:
        # A table of the operator's own, or of an extension, is left alone: the application gets nothing there.
        if name in PRIVILEGES and set(held) != PRIVILEGES[name]:
            statements += [
                f'revoke all on "{name}" from {role}',
                f'grant {", ".join(sorted(PRIVILEGES[name]))} on "{name}" to {role}',
            ]
    if statements:
        await connection.execute(";".join(statements))
