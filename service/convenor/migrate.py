"""Brings a database to this version's schema, and gives the application's role what it may do and no more."""

import asyncio
import sys

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from convenor.kit.operator import OperatorError
from convenor.revision import migrations_folder, newest_revision, present_revision

APPEND_ONLY = ("audit_event", "audit_mention")
READ_ONLY = ("client", "client_grant", "client_key", "data_sharing_agreement", "organisation", "pathway")
SHORT_LIVED = ("idempotency_record", "spent_assertion")


def configuration(owner_url: str) -> Config:
    """Alembic's configuration for a database."""
    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["owner_url"] = owner_url
    return config


def migrate(owner_url: str, app_role: str) -> None:
    """Upgrades to the newest revision and grants the application's role its privileges. Repeating it changes nothing.

    Raises:
        OperatorError: when the database is newer than this version of Convenor.
    """
    config = configuration(owner_url)
    present, known = asyncio.run(present_revision(owner_url)), ScriptDirectory.from_config(config)
    if present and present not in {revision.revision for revision in known.walk_revisions()}:
        raise OperatorError(
            f"The database is at revision {present}, which this version of Convenor does not know.",
            "Run the version of Convenor that migrated it, or a newer one.",
        )
    if present != newest_revision():
        command.upgrade(config, "head")
    asyncio.run(_grant(owner_url, app_role))


async def _grant(owner_url: str, app_role: str) -> None:
    role = '"' + app_role.replace('"', '""') + '"'
    connection = await asyncpg.connect(owner_url)
    try:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        tables = [row[0] for row in rows]
        statements = [
            f"grant usage on schema public to {role}",
            f"grant select on current_pathway, cluster_school to {role}",
        ]
        for table in tables:
            if table in READ_ONLY or table == "alembic_version":
                verbs = "select"
            elif table in APPEND_ONLY:
                verbs = "select, insert"
            elif table in SHORT_LIVED:
                verbs = "select, insert, update, delete"
            else:
                verbs = "select, insert, update"
            statements += [f'revoke all on "{table}" from {role}', f'grant {verbs} on "{table}" to {role}']
        await connection.execute(";".join(statements))
    finally:
        await connection.close()
