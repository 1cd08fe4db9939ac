"""Migrations: many at once, beside others who use the tables, and again on a database that is current."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.databases import Server, named, new_database
from support.empty_databases import Empty, downgrade
from support.installation import Installation
from support.pending_work import do_all
from support.sealed import store_plain

from convenor.configuration_error import ConfigurationError
from convenor.encryption import encrypt
from convenor.migrate import SCHEMA_LOCK, migrate, upgrade
from convenor.model_registry import metadata
from convenor.privileges import PRIVILEGES
from convenor.revision import newest_revision, present_revision
from convenor_auth.keys import load_secret_keys

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


async def migrate_in_thread(database: Empty) -> None:
    """Migrate to the newest revision."""
    await asyncio.to_thread(migrate, database.owner_url, APP)


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
    @pytest.fixture
    async def database(self, server: Server) -> AsyncIterator[Empty]:
        """A database that is behind."""
        async with new_database(server, "template0") as name:
            database = Empty.of(server, name)
            await upgrade(database.owner_url, "0007")
            yield database

    @pytest.fixture(autouse=True)
    async def held(self, other: asyncpg.Connection) -> AsyncIterator[None]:
        """A transaction keeps the revision from being written."""
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


class TestTextThatMayNameAChild:
    async def test_a_domain_that_its_instrument_does_not_have_becomes_other(self, server: Server) -> None:
        async with new_database(server, "template0") as name:
            database = Empty.of(server, name)
            await upgrade(database.owner_url, "0009")
            connection = await asyncpg.connect(database.superuser_url)
            # Without the rows that an outcome belongs to, which the migration does not read.
            await connection.execute("set session_replication_role = replica")
            stored = [("TOMs", "activity"), ("TOMs", "Robin Ashgrove"), ("Boxall", "activity"), ("other", "reading")]
            for instrument, domain in stored:
                await connection.execute(
                    "insert into outcome (area_id, id, instrument, domain, n, referral_id, school_id, provider_id,"
                    " organisation_id, baseline_on, baseline_value, recorded_at, version)"
                    " values ($1, $1, $2, $3, 1, $1, $1, $1, $1, '2026-01-20', 1, now(), 1)",
                    uuid4(),
                    instrument,
                    domain,
                )
            await connection.execute("analyze outcome")
            await migrate_in_thread(database)
            found = await connection.fetch(
                "select instrument, domain, version from outcome order by instrument, domain"
            )
            assert [tuple(row) for row in found] == [
                ("Boxall", "other", 2),
                ("TOMs", "activity", 1),
                ("TOMs", "other", 2),
                ("other", "other", 2),
            ]
            kept = await connection.fetchval("select count(*) from pg_statistic s where s::text like '%Ashgrove%'")
            forced = await connection.fetchval(
                "select relforcerowsecurity from pg_class where oid = 'outcome'::regclass"
            )
            assert (kept, forced) == (0, True)
            await connection.close()

    async def test_the_purpose_of_an_agreement_is_the_first_of_its_list(self, server: Server) -> None:
        async with new_database(server, "template0") as name:
            database = Empty.of(server, name)
            await upgrade(database.owner_url, "0009")
            connection = await asyncpg.connect(database.superuser_url)
            await connection.execute(
                "with o as (insert into organisation (id, name, kind) values ($1, 'O', 'school') returning id)"
                " insert into data_sharing_agreement"
                " (id, organisation_id, reference, purpose, legal_basis, starts_on)"
                " select id, id, 'DSA', 'direct support', 'public task', '2026-01-20' from o",
                uuid4(),
            )
            await migrate_in_thread(database)
            assert await connection.fetchval("select purposes from data_sharing_agreement") == ["direct support"]
            await connection.close()


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

    async def test_a_table_of_the_operators_own_is_granted_to_nobody(
        self, database: Empty, other: asyncpg.Connection
    ) -> None:
        await other.execute("create table their_own (n int)")
        await asyncio.to_thread(migrate, database.owner_url, APP)
        assert not await other.fetchval("select has_table_privilege($1, 'their_own', 'select')", APP)

    def test_every_table_of_ours_is_listed_with_what_the_application_may_do(self) -> None:
        assert not metadata.tables.keys() - PRIVILEGES.keys()


class TestPupilsOfAnArea:
    """Before revision 0009, a pupil belonged to an area."""

    async def test_a_pupil_becomes_one_of_each_school_and_keeps_its_events(
        self, server: Server, service: Service
    ) -> None:
        area, database = service.area().id, urlsplit(service.app_url).path[1:]
        owner_url, admin = named(server.owner_url, database), await asyncpg.connect(service.superuser_url)
        await admin.execute(f"alter database {database} owner to {urlsplit(server.owner_url).username}")
        for school, urn, upn in (("school", "900001", "P80320002601A"), ("neighbour", "900002", "B801200005001")):
            made = await service.as_(school).post("/v1/referrals", pupil_referral("SLT", urn, upn=upn))
            assert made.status_code == 201, made.text
            outreach = pupil_referral("OUTREACH", urn, upn=upn)
            assert (await service.as_(school).post("/v1/referrals", outreach)).status_code == 201
        await store_plain(service)
        await downgrade(owner_url, "0008")
        # As it was then: one pupil, with one open referral to each service.
        await admin.execute("update referral set ended_at = submitted_at where school_id = $1", _of(service, "900001"))
        former = await admin.fetchval("select pupil_id from referral limit 1")
        for table in ("referral", "pupil_identity"):
            await admin.execute(f"update {table} set pupil_id = $1", former)
        await asyncio.to_thread(migrate, owner_url, APP)
        pupils = await admin.fetch("select * from pupil order by school_id = $1 desc", _of(service, "900001"))
        assert [(each["school_id"], each["former_id"]) for each in pupils] == [
            (_of(service, urn), former) for urn in ("900001", "900002")
        ]
        stated = "select upn, temporary_upn, count(*) from pupil_statement where pupil_id = $1 group by 1, 2"
        assert [tuple(await admin.fetchrow(stated, each["id"])) for each in pupils] == [
            (None, "P80320002601A", 2),
            ("B801200005001", None, 2),
        ]
        about = "select id from audited_as($1, array(select pupil_id from audited_pupils($1, $2, null)))"
        for pupil in pupils:
            in_force = await admin.fetch("select statement_id from referral where pupil_id = $1", pupil["id"])
            found = await admin.fetch(about, area, pupil["id"])
            assert {row["id"] for row in found} == {former, *(row["statement_id"] for row in in_force)}
        assert len(await admin.fetch(about, area, former)) == 5
        await admin.close()


async def test_whom_a_referral_is_the_same_as_moves_into_its_statement_and_back(
    server: Server, service: Service
) -> None:
    school, database = service.as_("school"), urlsplit(service.app_url).path[1:]
    owner_url, admin = named(server.owner_url, database), await asyncpg.connect(service.superuser_url)
    await admin.execute(f"alter database {database} owner to {urlsplit(server.owner_url).username}")
    first = (await school.post("/v1/referrals", pupil_referral("SLT"))).json()
    unnumbered = pupil_referral("OUTREACH", upn=None, nhs_number=None) | {"same_as": first["code"]}
    second = (await school.post("/v1/referrals", unnumbered)).json()
    same_as = "select same_as_id from {} where {} = $1"
    await store_plain(service)
    await downgrade(owner_url, "0011")
    assert str(await admin.fetchval(same_as.format("referral", "id"), second["id"])) == first["id"]
    await asyncio.to_thread(migrate, owner_url, APP)
    assert str(await admin.fetchval(same_as.format("pupil_statement", "referral_id"), second["id"])) == first["id"]
    await admin.close()


async def test_pupils_who_were_stated_before_the_migration_are_linked_once_they_are_sealed(
    server: Server, service: Service
) -> None:
    database = urlsplit(service.app_url).path[1:]
    owner_url, admin = named(server.owner_url, database), await asyncpg.connect(service.superuser_url)
    await admin.execute(f"alter database {database} owner to {urlsplit(server.owner_url).username}")
    for school, urn in (("school", "900001"), ("neighbour", "900002")):
        made = await service.as_(school).post("/v1/referrals", pupil_referral("SLT", urn))
        assert made.status_code == 201, made.text
    await store_plain(service)
    await downgrade(owner_url, "0018")
    await asyncio.to_thread(migrate, owner_url, APP)
    await do_all(service)
    await asyncio.to_thread(encrypt, service.app_url, owner_url, load_secret_keys(service.data_dir).sealer)
    await do_all(service)
    assert await admin.fetchval("select array_agg(status) from pupil_match") == ["linked"]
    await admin.close()


async def test_a_link_of_before_the_migration_holds_for_what_is_stated_at_the_migration(
    server: Server, service: Service
) -> None:
    database = urlsplit(service.app_url).path[1:]
    owner_url, admin = named(server.owner_url, database), await asyncpg.connect(service.superuser_url)
    await admin.execute(f"alter database {database} owner to {urlsplit(server.owner_url).username}")
    made = [
        await service.as_(school).post("/v1/referrals", pupil_referral("SLT", urn, nhs_number=None, date_of_birth=day))
        for school, urn, day in (("school", "900001", "2016-05-04"), ("neighbour", "900002", "2015-03-02"))
    ]
    await service.as_("trust").call(
        "PUT",
        f"{made[0].headers['Location']}/nhs-number",
        json={"nhs_number": "9990000018"},
        headers={"If-Match": '"1"'},
    )
    await do_all(service)
    commissioner = service.as_("identifying_commissioner")
    match = f"/v1/pupil-matches/{await admin.fetchval('select id from pupil_match')}"
    for decision in ("keep_apart", "unlink", "link"):
        etag = (await commissioner.get(match)).headers["ETag"]
        body = {"decision": decision, "reason": "The school telephoned."}
        assert (await commissioner.post(f"{match}/decisions", body, etag=etag)).status_code == 201
    noted = "select stated from decided_pupil order by decision_id, pupil_id"
    before = [row["stated"] for row in await admin.fetch(noted)]
    assert sorted(map(len, before)) == [0, 0, 0, 0, 2, 3]
    await downgrade(owner_url, "0025")
    await asyncio.to_thread(migrate, owner_url, APP)
    assert [row["stated"] for row in await admin.fetch(noted)] == before
    await admin.close()


def _of(service: Service, urn: str) -> UUID:
    """Return the id of a school."""
    return service.area().schools[urn]
