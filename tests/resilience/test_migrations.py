"""Migrations: many at once, beside others who use the tables, and again on a database that is current."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import asyncpg
import pytest
from support.databases import Server
from support.empty_databases import Empty, new_database
from support.installation import Installation

from convenor.configuration_error import ConfigurationError
from convenor.migrate import SCHEMA_LOCK, migrate
from convenor.revision import newest_revision, present_revision

APP = "convenor_app"


@pytest.fixture
async def database(server: Server) -> AsyncIterator[Empty]:
    """A migrated database with nothing in it."""
    async with new_database(server, "template0") as name:
        database = Empty.of(server, name)
        await asyncio.to_thread(migrate, database.owner_url, APP)
        yield database


@pytest.fixture
async def other(database: Empty) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session in that database."""
    connection = await asyncpg.connect(database.superuser_url)
    yield connection
    await connection.close()


class TestManyAtOnce:
    def test_every_process_that_migrates_ends_well(self) -> None:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
            installation = Installation(Path(folder) / "data")
            for _state in ("an empty database", "a current one"):
                ended = list(pool.map(installation.run, ["migrate"] * 3))
                assert [each.returncode for each in ended] == [0, 0, 0], [each.stderr for each in ended]
            assert installation.processes() == []

    async def test_every_one_of_them_finds_an_empty_database_migrated(self, server: Server) -> None:
        async with new_database(server, "template0") as name:
            database = Empty.of(server, name)
            await asyncio.gather(*(asyncio.to_thread(migrate, database.owner_url, APP) for _ in range(4)))
            assert await present_revision(database.owner_url) == newest_revision()

    async def test_a_migration_waits_for_another_and_says_so(self, database: Empty, other: asyncpg.Connection) -> None:
        waits, sentences = Event(), []

        def say(sentence: str) -> None:
            sentences.append(sentence)
            waits.set()

        await other.execute("select pg_advisory_lock($1)", SCHEMA_LOCK)
        migration = asyncio.create_task(asyncio.to_thread(migrate, database.owner_url, APP, say))
        await asyncio.to_thread(waits.wait)
        assert not migration.done()
        await other.execute("select pg_advisory_unlock($1)", SCHEMA_LOCK)
        await migration
        assert sentences == ["Another process changes the schema of this database; waiting for it ..."]


class TestTablesThatOthersHold:
    @pytest.fixture(autouse=True)
    async def held(self, other: asyncpg.Connection) -> AsyncIterator[None]:
        """The database is behind, and a transaction keeps its revision from being written."""
        await other.execute("update alembic_version set version_num = '0007'")
        async with other.transaction():
            await other.execute("lock table alembic_version in share mode")
            yield

    async def test_a_migration_gives_up_in_words_and_changes_nothing(self, database: Empty) -> None:
        with pytest.raises(
            ConfigurationError, match=r"others still lock its tables.*Nothing was changed\.\n.*pg_stat_activity"
        ):
            await asyncio.to_thread(migrate, database.owner_url, APP, lock_timeout_seconds=0.01)
        assert await present_revision(database.owner_url) == "0007"

    async def test_a_migration_goes_on_once_they_are_free(self, database: Empty, other: asyncpg.Connection) -> None:
        waits = Event()
        migration = asyncio.create_task(
            asyncio.to_thread(migrate, database.owner_url, APP, lambda _sentence: waits.set(), 0.1)
        )
        await asyncio.to_thread(waits.wait)
        await other.execute("rollback; begin")
        await migration
        assert await present_revision(database.owner_url) == newest_revision()


class TestGrants:
    async def test_a_database_that_is_current_is_granted_nothing_again(
        self, database: Empty, other: asyncpg.Connection
    ) -> None:
        written = "select array_agg(xmin::text order by oid) from pg_class where relnamespace = 'public'::regnamespace"
        before = await other.fetchval(written)
        await asyncio.to_thread(migrate, database.owner_url, APP)
        assert await other.fetchval(written) == before

    @pytest.mark.parametrize(
        "change",
        [
            "grant delete on audit_event to convenor_app",
            "grant update (at) on audit_event to convenor_app",
            "revoke insert on audit_event from convenor_app",
            "revoke select on current_pathway from convenor_app",
        ],
    )
    async def test_what_the_application_may_do_is_put_right_again(
        self, database: Empty, other: asyncpg.Connection, change: str
    ) -> None:
        held = (
            "select array_agg(t.relacl::text order by t.oid) as tables, (select array_agg(a.attacl::text)"
            " from pg_attribute a where a.attacl is not null and a.attrelid = 'audit_event'::regclass) as columns"
            " from pg_class t where t.relname in ('audit_event', 'current_pathway')"
        )
        before = await other.fetchrow(held)
        await other.execute(change)
        assert await other.fetchrow(held) != before
        await asyncio.to_thread(migrate, database.owner_url, APP)
        assert await other.fetchrow(held) == before

    async def test_a_table_that_nobody_listed_is_granted_to_nobody(
        self, database: Empty, other: asyncpg.Connection
    ) -> None:
        await other.execute("create table forgotten (n int)")
        with pytest.raises(ConfigurationError, match="does not know: forgotten"):
            await asyncio.to_thread(migrate, database.owner_url, APP)
        assert not await other.fetchval("select has_table_privilege($1, 'forgotten', 'select')", APP)
