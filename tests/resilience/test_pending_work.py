"""Work that changes leave to be done is done once, by whichever worker lives, and never lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.installation import wait_until
from support.killable_service import killable_service
from support.tiers import size

from convenor.database.pending_work import BATCH, STUCK_ATTEMPTS, Task, do_due, stuck
from convenor.doctor import StuckWork, _late

KIND = "a kind of this test"


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(service.superuser_url)
    yield connection
    await connection.close()


@pytest.fixture
async def workers(service: Service) -> AsyncIterator[list[asyncpg.Connection]]:
    connections = [await asyncpg.connect(service.app_url) for _ in range(2)]
    yield connections
    for connection in connections:
        connection.terminate()


async def add(admin: asyncpg.Connection, area: UUID, subjects: Sequence[UUID], due: str = "now()") -> None:
    await admin.execute(
        "insert into pending_work (area_id, id, kind, subject_id, due_at, attempts)"
        f" select $1, gen_random_uuid(), $2, each, {due}, 0 from unnest($3::uuid[]) each",
        area,
        KIND,
        subjects,
    )


async def left(admin: asyncpg.Connection) -> list[Any]:
    return list(await admin.fetch("select * from pending_work where kind = $1", KIND))


async def test_two_workers_at_once_do_each_thing_once_and_one_kind_of_an_area_one_after_the_other(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    areas = [service.area(name).id for name in ("wendshire", "fenmark")]
    subjects = {area: [uuid4() for _ in range(size(2 * BATCH + 7, 20 * BATCH))] for area in areas}
    for area in areas:
        await add(admin, area, subjects[area])
    done: list[tuple[UUID, UUID]] = []
    busy: set[UUID] = set()

    async def task(connection: Any, area: UUID, batch: Sequence[UUID]) -> None:
        assert area not in busy
        assert len(batch) <= BATCH
        busy.add(area)
        await connection.fetchval("select count(*) from pupil")
        done.extend((area, each) for each in batch)
        busy.remove(area)

    async def work(connection: asyncpg.Connection) -> None:
        while len(done) < sum(map(len, subjects.values())):
            await do_due(connection, {KIND: task})

    await asyncio.gather(*map(work, workers))
    assert sorted(done) == sorted((area, each) for area in areas for each in subjects[area])


async def test_what_a_worker_had_begun_when_it_was_lost_is_done_by_another(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    area, subject = service.area().id, uuid4()
    await add(admin, area, [subject])
    done: list[UUID] = []

    async def dies(connection: Any, _area: UUID, _batch: Sequence[UUID]) -> None:
        await admin.execute("select pg_terminate_backend($1)", connection.get_server_pid())
        await connection.execute("select 1")

    async def works(_connection: Any, _area: UUID, batch: Sequence[UUID]) -> None:
        done.extend(batch)

    lost, other = workers
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await do_due(lost, {KIND: dies})
    assert [row["attempts"] for row in await left(admin)] == [0]
    assert await do_due(other, {KIND: works})
    assert (done, await left(admin)) == ([subject], [])


async def test_what_fails_is_tried_again_later_and_alone_and_counts_as_stuck_when_it_fails_again(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    area, bad, good = service.area().id, uuid4(), uuid4()
    await add(admin, area, [bad, good])
    done: list[UUID] = []

    async def task(connection: Any, _area: UUID, batch: Sequence[UUID]) -> None:
        if bad in batch:
            await connection.execute("select 1 / 0")
        done.extend(batch)

    tasks: dict[str, Task] = {KIND: task}
    assert await do_due(workers[0], tasks)
    rows = await left(admin)
    assert {(row["attempts"], row["last_error"]) for row in rows} == {(1, "22012")}
    assert all([await admin.fetchval("select $1 > now()", row["due_at"]) for row in rows])
    assert not await do_due(workers[0], tasks), "nothing is due before the delay is over"
    for attempt in range(2, STUCK_ATTEMPTS + 1):
        await admin.execute("update pending_work set due_at = now() where kind = $1", KIND)
        while await do_due(workers[0], tasks):
            pass
        (row,) = await left(admin)
        assert (row["subject_id"], row["attempts"]) == (bad, attempt)
    assert done == [good]
    assert [(each.kind, each.count, each.last_error) for each in await stuck(workers[0])] == [(KIND, 1, "22012")]
    ready = await service.http.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["pending_work"]) == (200, "late")


async def test_what_has_failed_for_years_is_still_tried_again_later(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    await add(admin, service.area().id, [uuid4()])
    await admin.execute("update pending_work set attempts = 20000 where kind = $1", KIND)

    async def task(connection: Any, _area: UUID, _batch: Sequence[UUID]) -> None:
        await connection.execute("select 1 / 0")

    assert await do_due(workers[0], {KIND: task})
    (row,) = await left(admin)
    assert row["attempts"] == 20001
    assert await admin.fetchval(
        "select $1 between now() + interval '59 minutes' and now() + interval '1 hour'", row["due_at"]
    )


async def test_an_error_that_is_no_error_of_the_database_is_named_by_its_class(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    await add(admin, service.area().id, [uuid4()])

    async def task(_connection: Any, _area: UUID, _batch: Sequence[UUID]) -> None:
        raise KeyError("9990000018")

    assert await do_due(workers[0], {KIND: task})
    assert [row["last_error"] for row in await left(admin)] == ["KeyError"]


async def test_work_waits_for_the_day_that_it_is_due(
    service: Service, admin: asyncpg.Connection, workers: list[asyncpg.Connection]
) -> None:
    await add(admin, service.area().id, [uuid4()], "now() + interval '1 day'")

    async def task(_connection: Any, _area: UUID, _batch: Sequence[UUID]) -> None:
        raise AssertionError

    assert not await do_due(workers[0], {KIND: task})
    assert await stuck(workers[0]) == []


@pytest.mark.parametrize("serves", [True, False])
async def test_the_doctor_finds_stuck_work_of_a_service_that_runs(service: Service, serves: bool) -> None:
    work = StuckWork(KIND, 3, await _now(service), "22012")
    finding = _late(work, serves=serves)
    assert finding.ok is not serves
    assert KIND in finding.detail


async def _now(service: Service) -> Any:
    connection = await asyncpg.connect(service.app_url)
    found = await connection.fetchval("select now()")
    await connection.close()
    return found


def test_a_service_killed_while_it_links_pupils_links_them_once_it_is_started_again() -> None:
    with killable_service() as service:

        async def refer_and_kill() -> None:
            admin = await asyncpg.connect(service.superuser_url)
            # The worker waits for this table in the middle of its transaction.
            blocking = admin.transaction()
            await blocking.start()
            await admin.execute("lock table pupil_match in access exclusive mode")
            async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
                for name, urn in (("school", "900001"), ("neighbour", "900002")):
                    school = Caller(http, service.dataset.wendshire.clients[name])
                    made = await school.post("/v1/referrals", pupil_referral("SLT", urn))
                    assert made.status_code == 201, made.text
            other = await asyncpg.connect(service.superuser_url)
            waiting = "select count(*) from pg_locks where relation = 'pupil_match'::regclass and not granted"
            while not await other.fetchval(waiting):
                continue
            service.kill()
            await blocking.rollback()
            assert await other.fetchval("select count(*) from pending_work") >= 1
            assert await other.fetchval("select count(*) from pupil_match") == 0
            await other.close()
            await admin.close()

        asyncio.run(refer_and_kill())
        service.installation.start()

        def is_linked() -> bool:
            return asyncio.run(_statuses(service.superuser_url)) == ["linked"]

        wait_until(is_linked, "the pupils are linked")


async def _statuses(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select status from pupil_match")
    await connection.close()
    return [row[0] for row in rows]
