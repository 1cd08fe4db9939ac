"""Compare the database's own catalogue with what is declared: tables, privileges, row-level security.

Which tables there are, and what the application may do with them, is `PRIVILEGES`. A table holds rows of an area where
`area_id` leads its primary key.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg

from convenor.privileges import PRIVILEGES

_COMPARE = """
with declared as (
    select name, string_to_array(verbs, ',') as verbs from unnest($2::text[], $3::text[]) d(name, verbs)
), known as (
    select d.name, d.verbs, c.oid, c.relrowsecurity and c.relforcerowsecurity as forced,
        coalesce(a.attname = 'area_id', false) as of_area,
        array(select v from unnest(d.verbs) v where has_table_privilege($1::oid, c.oid, v)) as held,
        array(
            select v from unnest(array['select', 'insert', 'update', 'references']) v
            where has_any_column_privilege($1::oid, c.oid, v)
            union all
            select v from unnest(array['delete', 'truncate', 'trigger']) v where has_table_privilege($1::oid, c.oid, v)
        ) as some
    from declared d
    left join pg_class c on c.relnamespace = to_regnamespace('public') and c.relname = d.name
    left join pg_index i on i.indrelid = c.oid and i.indisprimary
    left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
)
select k.name, k.oid is null as absent, k.of_area and not k.forced as open,
    array(select unnest(k.verbs) except select unnest(k.held) order by 1) as lacking,
    array(select unnest(k.some) except select unnest(k.verbs) order by 1) as beyond,
    array(
        select v from unnest(k.verbs) v where k.of_area and not exists (
            select from pg_policy p
            where p.polrelid = k.oid and p.polpermissive and p.polroles && array[0::oid, $1::oid]
                and p.polcmd in ('*', translate(left(v, 1), 'siu', 'raw')::"char")
        ) order by 1
    ) as without_policy
from known k order by 1
"""
_GRANT = "Run `convenor migrate` with the owner's login, which grants exactly what the application needs."
_RENAME = "Rename it back, if somebody renamed it. Else restore a backup with `convenor restore`."
_FORCE = "As the owner, run for each: `alter table NAME enable row level security, force row level security`."
_MAKE = "As the owner, create these policies as the migrations of this version do, or restore a backup."


@dataclass(frozen=True)
class Fault:
    """One way in which a database differs from what is declared.

    Attributes:
        check: What was compared.
        problem: What differs, with every table.
        remedy: What to do.
        stops: Whether requests fail, or are not kept apart by area, until it is put right.
    """

    check: str
    problem: str
    remedy: str
    stops: bool = True


async def faults_of(connection: asyncpg.Connection, role: str) -> list[Fault]:
    """Compare a database at this version's schema with what is declared. It reads the catalogue alone.

    Args:
        connection: With either login.
        role: The application's role.
    """
    found = await connection.fetchrow(
        "select oid, has_schema_privilege(oid, 'public', 'usage') as enters from pg_roles where rolname = $1", role
    )
    if found is None or not found["enters"]:
        return [Fault("privileges", f"{role} may not use the schema public.", _GRANT)]
    verbs = [",".join(sorted(each)) for each in PRIVILEGES.values()]
    rows = await connection.fetch(_COMPARE, found["oid"], list(PRIVILEGES), verbs)
    there = [row for row in rows if not row["absent"]]
    compared = (
        ("tables", "There is no {}.", _named(row for row in rows if row["absent"]), _RENAME, True),
        ("privileges", f"{role} may not: {{}}.", _verbs(there, "lacking"), _GRANT, True),
        ("privileges", f"{role} may do what is not its task: {{}}.", _verbs(there, "beyond"), _GRANT, False),
        (
            "row-level security",
            "Not enabled and forced: {}.",
            _named(row for row in there if row["open"]),
            _FORCE,
            True,
        ),
        ("row-level security", "No policy for: {}.", _verbs(there, "without_policy"), _MAKE, True),
    )
    return [
        Fault(check, text.format(listed), remedy, stops) for check, text, listed, remedy, stops in compared if listed
    ]


def _named(rows: Iterable[asyncpg.Record]) -> str:
    return ", ".join(row["name"] for row in rows)


def _verbs(rows: Iterable[asyncpg.Record], column: str) -> str:
    return "; ".join(f"{', '.join(row[column])} {row['name']}" for row in rows if row[column])
