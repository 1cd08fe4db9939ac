"""Fifty partners at once, and a server or a database killed under them: what was acknowledged is there."""

import asyncio
from collections.abc import Iterator

import pytest
from support.concurrent_partners import Work
from support.killable_service import KillableService, killable_service
from support.tiers import size

PARTNERS = 50
ATTEMPTS = range(size(1, 10))


@pytest.fixture
def service() -> Iterator[KillableService]:
    with killable_service() as started:
        yield started


def test_fifty_partners_at_once_lose_no_write_and_meet_no_fault(service: KillableService) -> None:
    work = Work(service.url, service.dataset, patient=True)
    asyncio.run(work.run(PARTNERS, rounds=size(6, 60)))
    assert set(work.answers) <= {200, 201}, work.answers
    assert len(work.acknowledged) == PARTNERS * size(6, 60)
    assert {status for status, _ in work.acknowledged.values()} == {"accepted"}
    asyncio.run(service.assert_kept(work))


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_server_killed_under_fifty_partners_keeps_what_it_acknowledged(
    service: KillableService, attempt: int
) -> None:
    work = Work(service.url, service.dataset)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=1_000))
        await work.hundred.wait()
        service.kill()
        await working

    asyncio.run(kill_in_the_middle())
    assert work.lost_connections == PARTNERS
    asyncio.run(service.assert_kept(work))
    service.installation.start()
    after = Work(service.url, service.dataset, patient=True)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_database_killed_under_fifty_partners_keeps_what_was_acknowledged(
    service: KillableService, attempt: int
) -> None:
    work = Work(service.url, service.dataset)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=8))
        await work.hundred.wait()
        service.kill_database()
        await working

    asyncio.run(kill_in_the_middle())
    assert set(work.answers) <= {200, 201, 503}, work.answers
    assert work.answers[503]
    assert work.without_retry_after == 0
    service.start_database()
    asyncio.run(service.assert_kept(work))
    after = Work(service.url, service.dataset, patient=True)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}, after.answers
