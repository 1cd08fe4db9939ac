"""A repeated call shows the record of the first one as its caller may see it now: no answer is kept for it."""

import asyncpg
import pytest
from support.api_client import Service, pupil_referral
from support.graphql_requests import asked, camelled
from support.referral_steps import referred, session

ADD = """mutation ($id: ID!, $input: ContactInput!) {
  addContact(id: $id, input: $input, idempotencyKey: "once") { contact { durationMinutes } }
}"""


async def test_a_repeated_call_shows_the_record_as_it_is_now(service: Service) -> None:
    school = service.as_("school")
    first = await school.post("/v1/referrals", pupil_referral("SLT"), key="once")
    path = first.headers["Location"]
    changed = await school.patch(path, {"priority": "urgent"}, first.headers["ETag"])
    again = await school.post("/v1/referrals", pupil_referral("SLT"), key="once")
    assert (again.status_code, again.headers["Location"]) == (201, path)
    assert (again.headers["ETag"], again.json()) == (changed.headers["ETag"], changed.json())


@pytest.mark.parametrize("by_graphql", [False, True], ids=["rest", "graphql"])
async def test_a_repeated_call_shows_nothing_of_a_record_that_its_caller_may_not_see_any_more(
    service: Service, by_graphql: bool
) -> None:
    referral, trust = await referred(service, "accepted"), service.as_("trust")
    path, body = f"/v1/referrals/{referral['code']}/contacts", session()

    async def add() -> tuple[int | str, str]:
        if by_graphql:
            answer = await asked(trust, ADD, id=referral["code"], input=camelled(body))
            problems = answer.json().get("errors") or [{"extensions": {"code": "stored"}}]
            return problems[0]["extensions"]["code"], answer.text
        answer = await trust.post(path, body, key="once")
        return answer.json().get("code", "stored"), answer.text

    assert (await add())[0] == "stored"
    moved = await service.as_("commissioner").patch("/v1/services/SLT", {"provider": "RW2"}, '"1"')
    assert moved.status_code == 200, moved.text
    code, text = await add()
    assert code == "not_found"
    assert "staff_role" not in text
    assert '"durationMinutes"' not in text
    events = (await service.as_("auditor").get("/v1/audit/events", action="contacts:record_replayed")).json()["data"]
    assert [(event["status"], event["problem"], len(event["records"])) for event in events] == [(404, "not_found", 1)]


async def test_nothing_of_an_answer_is_kept_for_a_repeated_call(service: Service) -> None:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"), key="once")
    admin = await asyncpg.connect(service.superuser_url)
    [kept] = await admin.fetch("select * from idempotency_record")
    await admin.close()
    assert (kept["status"], kept["resource"], kept["location"]) == (201, "referrals", made.headers["Location"])
    assert str(kept["record_id"]) == made.json()["id"]
    assert {name for name, value in kept.items() if isinstance(value, bytes)} == {"digest"}
