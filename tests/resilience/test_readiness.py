"""Readiness: true only while an audited request could be answered, and never false because others are busy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from support.api_client import Service

from convenor.database.pools import READERS

READY = "/health/ready"


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(service.superuser_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("table", ["audit_event", "audit_mention"])
async def test_a_service_that_cannot_write_its_audit_is_not_ready_but_lives(
    service: Service, admin: asyncpg.Connection, table: str
) -> None:
    async with admin.transaction():
        await admin.execute(f"lock table {table} in share mode")
        answer = await service.http.get(READY)
        assert (await service.http.get("/health/live")).status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["checks"] == {
        "database": "ok",
        "tables": "ok",
        "audit": "failed",
        "pending_work": "ok",
    }


async def test_a_service_whose_commits_do_not_become_durable_is_not_ready(
    service: Service, admin: asyncpg.Connection
) -> None:
    async def wait_for_standby(name: str) -> None:
        await admin.execute(f"alter system set synchronous_standby_names = '{name}'")
        await admin.execute("select pg_reload_conf()")
        while await admin.fetchval("show synchronous_standby_names") != name:
            pass

    await wait_for_standby("nobody")
    try:
        answer = await service.http.get(READY)
    finally:
        await wait_for_standby("")
    assert (answer.status_code, answer.json()["checks"]["audit"]) == (503, "failed")


async def test_requests_that_hold_every_reader_leave_the_service_ready(service: Service) -> None:
    async with AsyncExitStack() as busy:
        for _ in range(READERS):
            await busy.enter_async_context(service.services.readers.acquire())
        assert (await service.http.get(READY)).status_code == 200


async def test_callers_who_ask_at_once_share_one_check(service: Service, admin: asyncpg.Connection) -> None:
    waiting: set[int] = set()
    async with admin.transaction():
        await admin.execute("lock table audit_event in share mode")
        asked = asyncio.gather(*(service.http.get(READY) for _ in range(20)))
        while not asked.done():
            waiting.add(
                await admin.fetchval(
                    "select count(*) from pg_locks where relation = 'audit_event'::regclass and not granted"
                )
            )
    assert max(waiting) == 1
    assert {answer.status_code for answer in await asked} == {503}
