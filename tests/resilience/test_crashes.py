"""Fifty partners at once, and a server or a database killed under them: what was acknowledged is there."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from support.concurrent_partners import Work
from support.killable_service import Installation, installed

from convenor.embedded_postgres.server import open_embedded

PARTNERS = 50


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed() as made:
        yield made


def test_fifty_partners_at_once_lose_no_write_and_meet_no_fault(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world, patient=True)
    asyncio.run(work.run(PARTNERS, rounds=6))
    assert set(work.answers) <= {200, 201}, work.answers
    assert len(work.acknowledged) == PARTNERS * 6
    assert {status for status, _ in work.acknowledged.values()} == {"accepted"}
    asyncio.run(installation.assert_kept(work))


def test_a_server_killed_under_fifty_partners_keeps_what_it_acknowledged(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=1_000))
        await work.hundred.wait()
        installation.kill()
        await working

    asyncio.run(kill_in_the_middle())
    assert work.lost_connections == PARTNERS
    asyncio.run(installation.assert_kept(work))
    installation.start()
    after = Work(installation.base_url, installation.world, patient=True)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}


def test_a_database_killed_under_fifty_partners_keeps_what_was_acknowledged(installation: Installation) -> None:
    work = Work(installation.base_url, installation.world)

    async def kill_in_the_middle() -> None:
        working = asyncio.create_task(work.run(PARTNERS, rounds=8))
        await work.hundred.wait()
        postmaster = int((installation.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        await working

    asyncio.run(kill_in_the_middle())
    assert set(work.answers) <= {200, 201, 503}, work.answers
    assert work.answers[503]
    assert work.without_retry_after == 0
    installation.database.close()
    installation.database.enter_context(open_embedded(installation.data_dir, say=lambda _: None))
    asyncio.run(installation.assert_kept(work))
    after = Work(installation.base_url, installation.world, patient=True)
    asyncio.run(after.run(PARTNERS, rounds=1))
    assert set(after.answers) <= {200, 201}, after.answers
