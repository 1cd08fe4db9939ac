"""What the application's login sees in the context of a caller, and that callers never see through each other's."""

import asyncpg
import pytest
from support.api_client import Service, pupil_referral

from convenor.database.row_security import context_sql
from convenor.read_model.execute import read_list
from convenor.read_model.list_query import parse_query
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Principal
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal


async def _principal(service: Service, key: str) -> Principal:
    client = service.area().clients[key]
    secret = load_secret_keys(service.data_dir)
    principal = await load_principal(service.services.readers, client.client_id, client.scopes, secret)
    assert principal
    return principal


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_then_b_then_a_then_nobody_on_one_connection(service: Service, plans: str) -> None:
    await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    await service.as_("far_school").post(
        "/v1/referrals", pupil_referral("SLT", urn="900003", upn=None, nhs_number=None)
    )
    school, far = await _principal(service, "school"), await _principal(service, "far_school")
    connection = await asyncpg.connect(service.app_url, server_settings={"plan_cache_mode": plans})
    everything = parse_query(REFERRALS, b"")

    async def seen(principal: Principal) -> set[object]:
        return set((await read_list(connection, principal, REFERRALS, everything)).ids)

    first = await seen(school)
    assert len(first) == 1
    for _ in range(7):
        others = await seen(far)
        assert len(others) == 1
        assert not others & first
        assert await seen(school) == first
        assert await connection.fetchval("select count(*) from referral") == 0
    await connection.close()


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("school", {"pupil", "pupil_statement", "referral"}),
        ("far_school", set()),
        ("trust", {"pupil_statement", "referral", "traced_number"}),
        ("commissioner", {"pupil", "pupil_statement", "referral", "traced_number"}),
        ("board", set()),
        ("finance", set()),
        ("auditor", {"audit_event", "audit_mention"}),
    ],
)
async def test_policies_show_cases_to_whom_they_concern_events_to_the_audit_and_counts_to_nobody(
    service: Service, key: str, seen: set[str]
) -> None:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    assert made.status_code == 201
    path = f"{made.headers['Location']}/nhs-number"
    traced = await service.as_("trust").put(path, {"nhs_number": "9990000026"}, "*")
    assert traced.status_code == 200
    tables = (
        *("audit_event", "audit_mention", "pupil", "pupil_statement", "referral", "referral_month", "traced_number"),
    )
    principal = await _principal(service, key)
    connection = await asyncpg.connect(service.app_url)
    async with connection.transaction():
        await connection.execute(f"select {context_sql()}", *principal.context)
        shown = {table for table in tables if await connection.fetchval(f"select exists (select from {table})")}
    await connection.close()
    assert shown == seen


async def test_counts_by_month_are_kept_and_read_in_their_own_context_alone(service: Service) -> None:
    await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    principal = await _principal(service, "school")
    connection = await asyncpg.connect(service.app_url)
    async with connection.transaction():
        await connection.execute(f"select {context_sql()}", *principal.counting_context)
        assert await connection.fetchval("select sum(referrals) from referral_month") == 1
        assert await connection.fetchval("select count(*) from referral") == 0
    async with connection.transaction():
        await connection.execute(f"select {context_sql()}", *principal.context)
        assert await connection.execute("update referral_month set referrals = 9") == "UPDATE 0"
    await connection.close()


async def test_the_context_of_a_count_ends_with_the_count(service: Service) -> None:
    """The trigger that counts a new referral runs in the middle of the school's transaction."""
    principal = await _principal(service, "school")
    connection = await asyncpg.connect(service.app_url)
    async with connection.transaction():
        await connection.execute(f"select {context_sql()}", *principal.context)
        await connection.execute("select count_referrals($1, '2025-09-01', null, 1)", principal.areas[0])
        assert await connection.fetchval("select current_setting('convenor.reach')") == "school"
    await connection.close()
