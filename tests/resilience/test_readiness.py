"""Readiness: true only while an audited request could be answered, and never false because others are busy."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from support.api_client import Service
from support.installation import free_port

from convenor.config import Settings
from convenor.database.pools import READERS
from convenor.doctor import diagnose
from convenor.health import readiness

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


@pytest.mark.parametrize(
    ("change", "undo", "named", "remedy"),
    [
        ("alter table outcome rename to other", "alter table other rename to outcome", "no outcome.", "Rename it back"),
        (
            "revoke all on all tables in schema public from convenor_app",
            "grant all on all tables in schema public to convenor_app",
            "insert, select audit_event;",
            "`convenor migrate`",
        ),
        (
            "revoke usage on schema public from convenor_app, public",
            "grant usage on schema public to public",
            "convenor_app may not use the schema public.",
            "`convenor migrate`",
        ),
        (
            "alter table contact no force row level security",
            "alter table contact force row level security",
            "Not enabled and forced: contact.",
            "force row level security`",
        ),
        (
            "alter policy within_reach on referral rename to p; drop policy p on referral",
            "create policy within_reach on referral using (false) with check (false)",
            "No policy for: insert, select, update referral.",
            "create these policies",
        ),
    ],
)
async def test_a_database_that_is_not_as_declared_is_not_ready_and_the_log_and_the_doctor_name_what_is_not(
    service: Service,
    admin: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: str,
    undo: str,
    named: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(readiness, "CACHE_SECONDS", 0)
    assert (await service.http.get(READY)).status_code == 200
    await admin.execute(change)
    for _ in range(2):
        answer = await service.http.get(READY)
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "ok")
        assert answer.json()["checks"]["tables"] == "failed"
    (logged,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert named in logged
    settings = Settings(data_dir=service.data_dir, database_url=service.app_url, port=free_port())
    wrong = [found for found in await asyncio.to_thread(diagnose, settings) if not found.ok]
    (found,) = [found for found in wrong if named in found.detail]
    assert remedy in found.remedy
    await admin.execute(undo)
    assert (await service.http.get(READY)).status_code == 200


async def test_a_role_that_row_level_security_does_not_bind_is_not_ready(
    service: Service, admin: asyncpg.Connection
) -> None:
    await admin.execute("alter role convenor_app bypassrls")
    try:
        answer = await service.http.get(READY)
    finally:
        await admin.execute("alter role convenor_app nobypassrls")
    assert (answer.status_code, answer.json()["checks"]["tables"]) == (503, "failed")


async def test_what_the_application_may_do_beyond_its_task_leaves_it_ready_and_the_doctor_names_it(
    service: Service, admin: asyncpg.Connection
) -> None:
    await admin.execute("grant update (at) on audit_event to convenor_app")
    assert (await service.http.get(READY)).status_code == 200
    settings = Settings(data_dir=service.data_dir, database_url=service.app_url, port=free_port())
    wrong = [found.detail for found in await asyncio.to_thread(diagnose, settings) if not found.ok]
    assert wrong == ["convenor_app may do what is not its task: update audit_event."]


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
