"""Requests that end in trouble are in the audit too, and what was remembered for repeats is forgotten in time."""

from datetime import timedelta

import asyncpg
from support.api_client import Service, pupil_referral

from convenor.database import idempotency


async def test_a_call_that_waits_too_long_for_a_lock_is_503_and_leaves_its_event(service: Service) -> None:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    path, trust = made.headers["Location"], service.as_("trust")
    other = await asyncpg.connect(service.superuser_url)
    async with other.transaction():
        await other.execute("select from referral for update")
        answer = await trust.post(f"{path}/transitions", {"to": "accepted"}, etag='"1"')
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    found = await other.fetchrow(
        "select status, problem from audit_event where request_id = $1", answer.headers["x-request-id"]
    )
    await other.close()
    assert tuple(found) == (503, "unavailable")


async def test_a_refused_change_names_the_record_in_the_audit(service: Service) -> None:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    stale = await service.as_("trust").post(f"{made.headers['Location']}/transitions", {"to": "accepted"}, etag='"7"')
    events = (await service.as_("auditor").get("/v1/audit/events", record=made.json()["id"])).json()["data"]
    assert (stale.headers["x-request-id"], 412) in {(event["request_id"], event["status"]) for event in events}


async def test_an_answer_is_remembered_for_a_day_and_then_forgotten(service: Service) -> None:
    school = service.as_("school")
    first = await school.post("/v1/referrals", pupil_referral("SLT"), key="day")
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute("update idempotency_record set created_at = created_at - interval '25 hours'")
    again = await school.post("/v1/referrals", pupil_referral("SLT"), key="day")
    assert (first.status_code, again.status_code) == (201, 409), "the key is free again; the referral is open"
    await admin.execute("update idempotency_record set created_at = now() - $1::interval", timedelta(hours=25))
    await idempotency.purge_expired(service.services.sessions)
    assert await admin.fetchval("select count(*) from idempotency_record") == 0
    await admin.close()
