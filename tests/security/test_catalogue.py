"""What must hold of every table, found by walking the database's own catalogue."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.api_client import Service

from convenor.catalogue import faults_of
from convenor.privileges import PRIVILEGES

APP = "convenor_app"
OF_NO_AREA = {
    "alembic_version",
    "client",
    "client_grant",
    "client_key",
    "data_sharing_agreement",
    "demo",
    "idempotency_record",
    "key_check",
    "organisation",
    "pathway",
    "spent_assertion",
}
"""Exempt by name: they belong to the installation, not to an area."""


@pytest.fixture
async def catalogue(shared_service: Service) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(shared_service.superuser_url)
    yield connection
    await connection.close()


async def _tables(catalogue: asyncpg.Connection) -> set[str]:
    rows = await catalogue.fetch("select tablename from pg_tables where schemaname = 'public'")
    return {row[0] for row in rows} - OF_NO_AREA


async def test_every_table_of_an_area_is_behind_forced_row_level_security(catalogue: asyncpg.Connection) -> None:
    rows = await catalogue.fetch(
        """
        select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, case when count(*) = 1 then
            bool_and(p.polqual is not null and p.polwithcheck is not null and p.polcmd = '*')
            else string_agg(p.polcmd, '' order by p.polcmd) = 'ar'
                and bool_and(num_nonnulls(p.polqual, p.polwithcheck) = 1) end as whole
        from pg_class c left join pg_policy p on p.polrelid = c.oid
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by 1, 2
        """
    )
    behind = {row["relname"] for row in rows if row["forced"] and row["whole"]}
    assert behind == await _tables(catalogue)


async def test_whatever_one_table_lacks_of_row_level_security_is_a_fault_that_names_it(
    catalogue: asyncpg.Connection,
) -> None:
    assert await faults_of(catalogue, APP) == []
    for table in await _tables(catalogue):
        policies = await catalogue.fetch("select policyname from pg_policies where tablename = $1", table)
        for change in (
            "disable row level security",
            "no force row level security",
            *(f"drop policy {policy}" for (policy,) in policies),
        ):
            statement = f"{change} on {table}" if change.startswith("drop") else f"alter table {table} {change}"
            undone = catalogue.transaction()
            await undone.start()
            await catalogue.execute(statement)
            (fault,) = await faults_of(catalogue, APP)
            await undone.rollback()
            assert (fault.check, table in fault.problem) == ("row-level security", True), statement


async def test_whatever_the_application_may_do_too_little_or_too_much_is_a_fault_that_names_the_table(
    catalogue: asyncpg.Connection,
) -> None:
    for table, verbs in PRIVILEGES.items():
        for verb in ("select", "insert", "update", "delete"):
            undone = catalogue.transaction()
            await undone.start()
            too_little = verb in verbs
            way = "revoke {} on {} from {}" if too_little else "grant {} on {} to {}"
            await catalogue.execute(way.format(verb, table, APP))
            (fault,) = await faults_of(catalogue, APP)
            await undone.rollback()
            assert f"{verb} {table}" in fault.problem
            assert (fault.check, fault.stops) == ("privileges", too_little)


async def test_area_id_leads_every_primary_key_and_unique_index(catalogue: asyncpg.Connection) -> None:
    rows = await catalogue.fetch(
        """
        select c.relname as table, i.indexrelid::regclass::text as index, a.attname as leads
        from pg_index i join pg_class c on c.oid = i.indrelid
        join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indisunique and c.relnamespace = 'public'::regnamespace
        """
    )
    tables = await _tables(catalogue)
    # An area's own code is what tells areas apart, so it is unique over all of them.
    astray = {row["index"] for row in rows if row["table"] in tables and row["leads"] != "area_id"} - {
        "area_la_code_key"
    }
    assert astray == set()


async def test_no_foreign_key_can_point_into_another_area(catalogue: asyncpg.Connection) -> None:
    rows = await catalogue.fetch(
        """
        select conrelid::regclass::text as source, confrelid::regclass::text as target, conname,
            array(select a.attname::text from unnest(conkey) k
                join pg_attribute a on a.attrelid = conrelid and a.attnum = k) as keys
        from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
        """
    )
    tables = await _tables(catalogue)
    astray = {
        row["conname"]
        for row in rows
        if row["source"] in tables and row["target"] in tables and row["keys"][0] != "area_id"
    }
    assert astray == set()


async def test_policies_read_the_context_once_for_a_statement(catalogue: asyncpg.Connection) -> None:
    rows = await catalogue.fetch("select tablename, concat(qual, with_check) as rule from pg_policies")
    assert rows
    for row in rows:
        in_sub_selects = re.findall(r"SELECT \(*(?:NULLIF\()?current_setting", row["rule"])
        assert len(in_sub_selects) == row["rule"].count("current_setting("), row["tablename"]


async def test_the_application_s_role_owns_nothing_and_changes_no_event(catalogue: asyncpg.Connection) -> None:
    role = await catalogue.fetchrow("select * from pg_roles where rolname = 'convenor_app'")
    assert not role["rolsuper"]
    assert not role["rolbypassrls"]
    assert await catalogue.fetchval("select count(*) from pg_tables where tableowner = 'convenor_app'") == 0
    verbs = ["insert", "select", "update", "delete", "truncate"]
    may = [
        verb
        for verb in verbs
        if await catalogue.fetchval(f"select has_table_privilege('convenor_app', 'audit_event', '{verb}')")
    ]
    assert may == ["insert", "select"]
    deletable = await catalogue.fetch(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        " and has_table_privilege('convenor_app', oid, 'delete')"
    )
    assert {row[0] for row in deletable} == {"idempotency_record", "pending_work", "person_link", "spent_assertion"}


async def test_no_row_of_any_area_is_visible_without_a_context(
    shared_service: Service, catalogue: asyncpg.Connection
) -> None:
    application = await asyncpg.connect(shared_service.app_url)
    for table in await _tables(catalogue):
        assert await application.fetchval(f'select count(*) from "{table}"') == 0, table
    await application.close()
