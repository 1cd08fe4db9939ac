"""Many writes of one record: they wait for each other, and nobody else waits for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.graphql_requests import asked
from support.held_rows import Holder, holding
from support.referral_steps import ACCEPTED, referred, session

from convenor.database.pools import WRITERS
from convenor.http import write_context, write_queues

SOON = """mutation ($id: ID!) {
  updateReferral(id: $id, ifVersion: 1, input: { priority: soon }) { referral { version } }
}"""
CALLS = WRITERS * 5

Write = Callable[[Caller, str], Awaitable[httpx2.Response]]


async def update(school: Caller, referral: str) -> httpx2.Response:
    return await school.patch(f"/v1/referrals/{referral}", {"priority": "soon"}, '"1"')


async def withdraw(school: Caller, referral: str) -> httpx2.Response:
    step = {"to": "withdrawn", "reason": "As agreed."}
    return await school.post(f"/v1/referrals/{referral}/transitions", step, etag='"1"')


async def update_by_mutation(school: Caller, referral: str) -> httpx2.Response:
    return await asked(school, SOON, id=referral)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not end what a test lets wait."""
    monkeypatch.setattr(write_context, "ROW_WAIT", "4min")
    monkeypatch.setattr(write_queues, "WAIT_SECONDS", 240)


async def busy(holder: Holder, referral: dict[str, Any], write: Callable[[], Awaitable[httpx2.Response]]) -> list[Any]:
    """Hold a referral, and begin many writes of it."""
    await holder.hold("referral", f"id = '{referral['id']}'")
    calls = [asyncio.ensure_future(write()) for _ in range(CALLS)]
    await holder.is_waited_for(calls[0])
    return calls


@pytest.mark.parametrize("write", [update, withdraw, update_by_mutation])
@pytest.mark.parametrize("by", ["id", "code"])
async def test_a_partner_s_write_does_not_wait_for_the_writers_of_another_record(
    service: Service, write: Write, by: str
) -> None:
    school, commissioner = service.as_("school"), service.as_("commissioner")
    referral = await referred(service)
    await commissioner.authorise()
    async with holding(service) as holder:
        calls = await busy(holder, referral, lambda: write(school, referral[by]))
        made = await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
        assert made.status_code == 201, made.text
        assert not any(call.done() for call in calls)
    answers = await asyncio.gather(*calls)
    statuses = sorted(answer.status_code for answer in answers)
    if write is update_by_mutation:
        assert statuses == [200] * CALLS
        refused = [answer.json()["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer.json()]
        assert refused == ["stale"] * (CALLS - 1)
    else:
        assert statuses == [200 if write is update else 201] + [412] * (CALLS - 1)


async def test_a_write_repeated_with_its_key_does_not_hold_up_others_and_is_stored_once(service: Service) -> None:
    school, commissioner = service.as_("school"), service.as_("commissioner")
    await school.authorise()
    await commissioner.authorise()
    async with holding(service) as holder:
        await holder.hold("commissioned_service", "code = 'SLT'")
        first = asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT"), key="once"))
        await holder.is_waited_for(first)
        repeated = [
            asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT"), key="once")) for _ in range(CALLS)
        ]
        made = await commissioner.post("/v1/schools", {"urn": "900050", "name": "Alder School"})
        assert made.status_code == 201, made.text
        assert not any(call.done() for call in (first, *repeated))
    stored = await first
    answers = await asyncio.gather(*repeated)
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, stored.content)}


async def test_writes_of_a_record_that_the_callers_gave_up_leave_no_queue(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    path, queues = f"/v1/referrals/{referral['id']}/contacts", service.services.write_queues
    async with holding(service) as holder:
        calls = await busy(holder, referral, lambda: trust.post(path, session()))
        for call in calls[:-1]:
            call.cancel()
        await asyncio.wait(calls[:-1])
        await holder.is_waited_for(calls[-1])
        assert len(queues._queues) == 2, "those of its key and of its referral"
    assert (await calls[-1]).status_code == 201
    assert queues._queues == {}


async def test_a_write_is_refused_where_too_many_wait_for_its_record(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queues, "MAX_QUEUED", CALLS - write_queues.AT_ONCE)
    school, referral = service.as_("school"), await referred(service)
    async with holding(service) as holder:
        calls = await busy(holder, referral, lambda: update(school, referral["id"]))
        refused = await update(school, referral["id"])
        assert not any(call.done() for call in calls)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200, 412}


async def test_a_repeated_write_is_refused_where_too_many_wait_for_its_key(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queues, "AT_ONCE", 1)
    monkeypatch.setattr(write_queues, "MAX_QUEUED", 0)
    school = service.as_("school")
    await school.authorise()
    async with holding(service) as holder:
        await holder.hold("commissioned_service", "code = 'SLT'")
        first = asyncio.create_task(school.post("/v1/referrals", pupil_referral("SLT"), key="once"))
        await holder.is_waited_for(first)
        refused = await school.post("/v1/referrals", pupil_referral("SLT"), key="once")
        assert not first.done()
    assert (await first).status_code == 201
    assert refused.status_code == 503
    assert "idempotency key" in refused.json()["detail"]


async def test_a_write_whose_turn_does_not_come_is_unavailable(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    school, referral = service.as_("school"), await referred(service)
    async with holding(service) as holder:
        calls = await busy(holder, referral, lambda: update(school, referral["id"]))
        monkeypatch.setattr(write_queues, "WAIT_SECONDS", 0)
        refused = await update(school, referral["id"])
        assert not any(call.done() for call in calls)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200, 412}


async def test_a_code_is_another_record_in_another_area(service: Service) -> None:
    here, there = service.as_("commissioner"), service.as_("commissioner", "fenmark")
    await here.authorise()
    await there.authorise()
    async with holding(service) as holder:
        area = service.area().id
        await holder.hold("cluster", f"area_id = '{area}' and code = '1'")
        calls = [asyncio.create_task(here.patch("/v1/clusters/1", {"name": "North"}, '"1"')) for _ in range(CALLS)]
        await holder.is_waited_for(calls[0])
        changed = await there.patch("/v1/clusters/1", {"name": "South"}, '"1"')
        assert changed.status_code == 200, changed.text
        assert not any(call.done() for call in calls)
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200, 412}
