"""What of a database must be the same after a restore, and other values in the keys of a backup."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg

from convenor.backup import keys_path

CATALOGUE = """
    select array(select row(tablename, policyname, cmd, roles, qual, with_check)::text from pg_policies order by 1),
        array(select row(relname, relkind, relrowsecurity, relforcerowsecurity, relowner::regrole,
                  array(select x::text from unnest(relacl) x where x::text like 'convenor_app=%'))::text
              from pg_class where relnamespace = 'public'::regnamespace order by 1),
        array(select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace order by 1),
        array(select translate(pg_get_triggerdef(oid), '()', '') from pg_trigger where not tgisinternal order by 1),
        array(select row(conrelid::regclass, conname, translate(pg_get_constraintdef(oid), '()', ''))::text
              from pg_constraint where connamespace = 'public'::regnamespace order by 1)
"""
"""What of a schema must be as it was: policies, tables and grants, functions, triggers, constraints.

Restored triggers and constraints are the same but for the brackets in their conditions.
"""


async def ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return tuple(await connection.fetchrow(query))
    finally:
        await connection.close()


async def rows(superuser_url: str) -> dict[str, list[str]]:
    """Return every row of every table, as text."""
    connection = await asyncpg.connect(superuser_url)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        return {
            name: sorted(row[0] for row in await connection.fetch(f'select t::text from "{name}" t'))
            for (name,) in tables
        }
    finally:
        await connection.close()


def rewrite_keys(backup: Path, **changes: object) -> None:
    """Write other values into a backup's keys, with the digest that belongs to them."""
    keys = keys_path(backup)
    written = json.loads(keys.read_text()) | changes
    del written["keys_sha256"]
    written["keys_sha256"] = sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    keys.write_text(json.dumps(written))
