"""What a write does when somebody else holds what it needs: it waits, is tried again, or is refused."""

import asyncio

import asyncpg
import httpx2
import pytest
from support.api_client import Service, pupil_referral
from support.graphql_requests import asked, camelled
from support.held_rows import holding
from support.referral_steps import ACCEPTED, line, load, outcomes, referred, session

from convenor import bulk_import
from convenor.domain_types.dates import today

SUBMIT = """mutation ($input: ReferralInput!, $key: String!) {
  submitReferral(input: $input, idempotencyKey: $key) { referral { code } }
}"""
JOINING = {"school": "900050", "valid_from": "2024-09-01"}


async def events(service: Service, answer: httpx2.Response) -> list[tuple[str, int]]:
    admin = await asyncpg.connect(service.superuser_url)
    found = await admin.fetch(
        "select action, status from audit_event where request_id = $1", answer.headers["x-request-id"]
    )
    await admin.close()
    return [tuple(row) for row in found]


async def test_a_write_that_ends_in_a_deadlock_is_made_once_more_and_stored_once(service: Service) -> None:
    commissioner = service.as_("commissioner")
    made = await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    async with holding(service) as holder:
        await holder.hold("school", "urn = '900050'")
        call = asyncio.create_task(commissioner.post("/v1/clusters/2/schools", JOINING, key="once"))
        await holder.is_waited_for(call)
        await holder.hold("cluster", "true")
        await holder.is_waited_for(call)
    joined = await call
    assert joined.status_code == 201, joined.text
    again = await commissioner.post("/v1/clusters/2/schools", JOINING, key="once")
    assert (again.headers["Idempotency-Replayed"], again.content) == ("true", joined.content)
    held = (await commissioner.get("/v1/cluster-memberships", school=made.json()["id"])).json()["data"]
    assert [membership["id"] for membership in held] == [joined.json()["id"]]
    assert await events(service, joined) == [("clusters:join", 201)]


async def test_a_mutation_that_ends_in_a_deadlock_is_made_once_more_beside_the_others(service: Service) -> None:
    school = service.as_("school")
    async with holding(service) as holder:
        await holder.hold("school", "urn = '900001'")
        call = asyncio.create_task(asked(school, SUBMIT, input=camelled(pupil_referral("SLT")), key="once"))
        await holder.is_waited_for(call)
        await holder.hold("commissioned_service", "code = 'SLT'")
        await holder.is_waited_for(call)
    answer = await call
    code = answer.json()["data"]["submitReferral"]["referral"]["code"]
    referrals = (await school.get("/v1/referrals")).json()["data"]
    assert [referral["code"] for referral in referrals] == [code]
    assert await events(service, answer) == [("referrals:submit", 201)]


async def test_what_a_write_is_refused_for_at_its_second_attempt_is_what_the_audit_hears(service: Service) -> None:
    commissioner = service.as_("commissioner")
    await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    async with holding(service) as holder:
        await holder.hold("school", "urn = '900050'")
        call = asyncio.create_task(commissioner.post("/v1/clusters/2/schools", JOINING))
        await holder.is_waited_for(call)
        await holder.hold("cluster", "true")
        await holder.connection.execute("update cluster set valid_to = '2024-09-01'")
        await holder.is_waited_for(call)
        await holder.connection.execute("commit; begin")
    refused = await call
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert await events(service, refused) == [("clusters:join", 409)]


async def test_a_second_deadlock_is_unavailable_and_nothing_is_stored(service: Service) -> None:
    commissioner = service.as_("commissioner")
    made = await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
    async with holding(service) as holder:
        await holder.hold("school", "urn = '900050'")
        call = asyncio.create_task(commissioner.post("/v1/clusters/2/schools", JOINING))
        for _ in range(2):
            await holder.is_waited_for(call)
            released = holder.connection.transaction()
            await released.start()
            await holder.hold("cluster", "true")
            await released.rollback()
    refused = await call
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    assert (await commissioner.get("/v1/cluster-memberships", school=made.json()["id"])).json()["data"] == []


async def test_a_load_that_ends_in_a_deadlock_is_made_once_more_from_its_first_line(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "BATCH", 1)
    trust = service.as_("trust")
    one, other = [
        await referred(service, *ACCEPTED, upn=None, nhs_number=number) for number in ("9990000018", "9990000026")
    ]
    async with holding(service) as holder:
        await holder.hold("referral", f"id = '{other['id']}'")
        call = asyncio.create_task(load(trust, [line(one, "A"), line(other, "B")]))
        await holder.is_waited_for(call)
        await holder.hold("referral", f"id = '{one['id']}'")
        await holder.is_waited_for(call)
    answer = await call
    assert outcomes(answer) == ["created", "created"]
    stored = (await trust.get("/v1/contacts")).json()["data"]
    assert sorted(contact["reference"] for contact in stored) == ["A", "B"]
    assert await events(service, answer) == [("contacts:load", 200)] * 2


@pytest.mark.parametrize("change", ["leaves", "converts"])
async def test_a_referral_is_refused_where_its_school_left_while_it_waited(service: Service, change: str) -> None:
    school, commissioner = service.as_("school"), service.as_("commissioner")
    held = (await commissioner.get("/v1/cluster-memberships", school="900001")).json()["data"][0]
    day = today().isoformat()
    async with holding(service) as holder:
        await holder.hold("commissioned_service", "code = 'SLT'")
        call = asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT")))
        await holder.is_waited_for(call)
        if change == "leaves":
            changed = await commissioner.patch(f"/v1/cluster-memberships/{held['id']}", {"valid_to": day}, '"1"')
        else:
            successor = {"urn": "900060", "name": "Alder Academy", "on": day}
            changed = await commissioner.post("/v1/schools/900001/successor", successor)
        assert changed.is_success, changed.text
    refused = await call
    assert (refused.status_code, [fault["code"] for fault in refused.json()["errors"]]) == (422, ["not_bought"])
    assert (await school.get("/v1/referrals")).json()["data"] == []


async def test_a_school_leaves_its_cluster_once_its_referral_is_stored(service: Service) -> None:
    school, commissioner = service.as_("school"), service.as_("commissioner")
    held = (await commissioner.get("/v1/cluster-memberships", school="900001")).json()["data"][0]
    named = f"pupils of {service.area().id}/{service.area().schools['900001']}"
    pupils = f"pg_advisory_xact_lock(hashtextextended('{named}', 0))"
    async with holding(service) as holder:
        await holder.connection.execute(f"select {pupils}")
        referral = asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT")))
        await holder.is_waited_for(referral)
        leaving = asyncio.create_task(
            commissioner.patch(f"/v1/cluster-memberships/{held['id']}", {"valid_to": today().isoformat()}, '"1"')
        )
        blocked = "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
        while await holder.watcher.fetchval(blocked) < 2:
            assert not leaving.done(), "it did not wait for the referral"
    assert ((await referral).status_code, (await leaving).status_code) == (201, 200)
    assert (await referral).json()["cluster"] == "1"


async def test_a_write_waits_for_a_record_less_long_than_for_the_first_call_of_its_key(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute("create table wait (of text, setting text); grant insert on wait to public")
    await admin.execute(
        "create function note_wait() returns trigger language plpgsql as"
        " $$ begin insert into wait values (tg_table_name, current_setting('lock_timeout')); return new; end $$"
    )
    for table in ("contact", "idempotency_record"):
        await admin.execute(f"create trigger note before insert on {table} for each row execute function note_wait()")
    made = await trust.post(f"/v1/referrals/{referral['id']}/contacts", session())
    assert made.status_code == 201, made.text
    waits = {row["of"]: row["setting"] for row in await admin.fetch("select of, setting from wait")}
    # A test's connections wait four minutes for a lock where the service's wait five seconds.
    assert waits == {"idempotency_record": "4min", "contact": "2s"}
    await admin.close()
