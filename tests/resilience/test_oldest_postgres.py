"""The oldest PostgreSQL that Convenor promises to run on, as a server of one's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.databases import Server, new_database, serve
from support.dataset import load_dataset
from support.empty_databases import Empty, downgrade
from support.own_server import own_server
from support.referral_steps import ACCEPTED, line, load, outcomes, referred

from convenor.database.login import OLDEST_MAJOR_VERSION
from convenor.migrate import migrate

APP = "convenor_app"


@pytest.fixture(scope="module")
def oldest() -> Iterator[Server]:
    with own_server(OLDEST_MAJOR_VERSION) as server:
        yield server


@pytest.fixture
async def service(oldest: Server) -> AsyncIterator[Service]:
    async with new_database(oldest, "template0") as name:
        database = Empty.of(oldest, name)
        await asyncio.to_thread(migrate, database.owner_url, APP)
        server = Server(database.superuser_url, database.owner_url, oldest.app_url, oldest.data_dir)
        async with serve(server, await load_dataset(database.owner_url)) as served:
            yield served


async def test_a_school_refers_a_pupil_and_reads_the_referral(service: Service) -> None:
    connection = await asyncpg.connect(service.app_url)
    assert connection.get_server_version().major == OLDEST_MAJOR_VERSION
    await connection.close()
    school = service.as_("school")
    made = await school.post("/v1/referrals", pupil_referral("SLT"))
    assert made.status_code == 201, made.text
    assert (await school.get(f"/v1/referrals/{made.json()['code']}")).json() == made.json()
    assert [each["code"] for each in (await school.get("/v1/referrals")).json()["data"]] == [made.json()["code"]]


async def test_a_service_loads_contacts_and_the_commissioner_sees_what_they_amount_to(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    loaded = await load(service.as_("trust"), [line(referral, "one", 2), line(referral, "two", 1)])
    assert outcomes(loaded) == ["created", "created"]
    assert (await service.as_("commissioner").get("/v1/insights/referrals")).status_code == 200
    admin = await asyncpg.connect(service.superuser_url)
    assert await admin.fetchval("select sum(referrals) from referral_month") == 1
    await admin.close()


async def test_a_migration_repairs_a_database_whose_count_needs_a_newer_server(oldest: Server) -> None:
    async with new_database(oldest, "template0") as name:
        database = Empty.of(oldest, name)
        await asyncio.to_thread(migrate, database.owner_url, APP)
        owner = await asyncpg.connect(database.owner_url)
        of_now = "select pg_get_functiondef('count_referrals'::regproc)"
        written: str = await owner.fetchval(of_now)
        await owner.execute(written.replace("gen_random_uuid()", "uuidv7()"))
        await downgrade(database.owner_url, "0007")
        await asyncio.to_thread(migrate, database.owner_url, APP)
        assert await owner.fetchval(of_now) == written
        await owner.close()
