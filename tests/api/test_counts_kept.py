"""The counts that are kept for dashboards are those that counting gives, whatever happened to the referrals."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.referral_steps import moved

from convenor.domain_types.dates import today

KEPT = """
select area_id, month, cluster_id, sum(referrals)::int as referrals from referral_month
group by 1, 2, 3 having sum(referrals) <> 0
"""
COUNTED = """
select area_id, date_trunc('month', submitted_at at time zone 'Europe/London')::date as month, cluster_id,
    count(*)::int as referrals
from referral group by 1, 2, 3
"""
LOADED = """
insert into referral (area_id, id, code, need, priority, reason, pathway, pathway_version, service_id, provider_id,
    school_id, cluster_id, subject_kind, status, submitted_at, returned_seconds, version)
select $1, uuidv7(), 'R' || uuidv7(), 'SLCN', 'routine', 'As agreed.', 'service', 1, $2, $3, $4, c.id, 'school',
    'submitted', timestamptz '2024-08-31 23:30+00' + n * interval '1 day', 0, 1
from generate_series(0, 99) n, unnest($5::uuid[]) c(id)
"""
"""A hundred days' referrals from each of some clusters, the first of them late in August in Greenwich."""


@pytest.fixture
async def database(service: Service) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(service.superuser_url)
    yield connection
    await connection.close()


async def loads(connection: asyncpg.Connection, service: Service, clusters: list[Any], area: str = "wendshire") -> None:
    there = service.area(area)
    school = next(iter(there.schools.values()))
    await connection.execute(LOADED, there.id, there.services["SLT"], there.providers["trust"], school, clusters)


async def assert_kept(connection: asyncpg.Connection) -> None:
    kept, counted = [{tuple(row) for row in await connection.fetch(select)} for select in (KEPT, COUNTED)]
    assert kept == counted
    assert counted


async def test_referrals_that_schools_make_and_move_along(service: Service, database: asyncpg.Connection) -> None:
    for number, numbers in enumerate(("9990000018", "9990000026")):
        urn = ("900001", "900003")[number]
        key = ("school", "far_school")[number]
        made = await service.as_(key).post("/v1/referrals", pupil_referral("SLT", urn, upn=None, nhs_number=numbers))
        assert made.status_code == 201, made.text
        await moved(service.as_("trust"), made.json()["code"], "accepted")
    refused = await service.as_("school").post(
        "/v1/referrals", pupil_referral("SLT", upn=None, nhs_number="9990000018")
    )
    assert refused.status_code == 409
    await assert_kept(database)
    seen = (await service.as_("board").get("/v1/insights/referrals", group_by="month")).json()["data"]
    assert {figure["month"]: figure["status"] for figure in seen}[f"{today():%Y-%m}"] == "c"


async def test_loads_into_two_areas_and_from_schools_of_no_cluster(
    service: Service, database: asyncpg.Connection
) -> None:
    for area in ("wendshire", "fenmark"):
        await loads(database, service, [*service.area(area).clusters.values(), None], area)
        await loads(database, service, [None], area)
    await assert_kept(database)
    answer = await service.as_("board").get("/v1/insights/referrals", academic_year="2024/25", group_by="cluster")
    assert {figure["cluster"]: figure["value"] for figure in answer.json()["data"]} == {"1": 100, "2": 100, None: 200}


async def test_corrections_of_the_cluster_the_day_and_the_school(
    service: Service, database: asyncpg.Connection
) -> None:
    one, two = service.area().clusters.values()
    other_school = list(service.area().schools.values())[2]
    await loads(database, service, [one, two, None])
    await database.execute("update referral set cluster_id = $1 where cluster_id is null", two)
    await database.execute("update referral set cluster_id = null where cluster_id = $1", one)
    await database.execute("update referral set submitted_at = submitted_at + interval '40 days' where random() < 0.5")
    await database.execute("update referral set school_id = $1, status = 'withdrawn', ended_at = now()", other_school)
    await assert_kept(database)


async def test_a_load_that_is_rolled_back_leaves_no_count(service: Service, database: asyncpg.Connection) -> None:
    clusters = list(service.area().clusters.values())
    await loads(database, service, clusters)
    undone = database.transaction()
    await undone.start()
    await loads(database, service, [*clusters, None])
    await undone.rollback()
    await assert_kept(database)


async def test_loads_at_once_wait_for_nobody_and_lose_nothing(service: Service, database: asyncpg.Connection) -> None:
    one, two = service.area().clusters.values()
    await loads(database, service, [one, two])
    at_once = [await asyncpg.connect(service.superuser_url, server_settings={"lock_timeout": "1000"}) for _ in range(3)]
    transactions = [connection.transaction() for connection in at_once]
    for transaction in transactions:
        await transaction.start()
    for clusters in ([one, two], [two, one]):  # each meets the others' rows, in both orders
        for connection in at_once:
            await loads(connection, service, clusters)
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    assert made.status_code == 201
    for transaction in transactions:
        await transaction.commit()
    for connection in at_once:
        await loads(connection, service, [two])
        await connection.close()
    await assert_kept(database)
    rows = await database.fetchval(
        "select max(n) from (select count(*) as n from referral_month group by month, cluster_id)"
    )
    assert rows == len(at_once), "as many rows of a month and cluster as there were writers at once"


async def test_nobody_is_told_of_another_area_s_counts(service: Service, database: asyncpg.Connection) -> None:
    await loads(database, service, [None], "fenmark")
    answer = await service.as_("board").get("/v1/insights/referrals", academic_year="2024/25", group_by="cluster")
    assert {figure["value"] for figure in answer.json()["data"]} == {0}
