"""Text is kept in one form of Unicode, and found by each, whichever way it comes in."""

import json
from typing import Any

import asyncpg
from support.api_client import Service, pupil_referral
from support.graphql_requests import asked, camelled
from support.referral_steps import WAITING, line, load, referred, results

APART, TOGETHER = "Zoe\u0308", "Zo\u00eb"
SUBMIT = """mutation ($input: ReferralInput!) { submitReferral(input: $input, idempotencyKey: "k") {
    referral { reason subject { ... on PupilSubject { pupil { givenName } } } } } }"""
RENAME = """mutation { updateReferral(id: "%s", ifVersion: 1, input: { pupil: { givenName: "%s" } }) {
    referral { subject { ... on PupilSubject { pupil { givenName } } } } } }"""


async def test_rest_keeps_a_text_in_one_form(service: Service) -> None:
    body = pupil_referral("SLT", given_name=APART) | {"reason": f"{APART} is hard to follow."}
    made = (await service.as_("school").post("/v1/referrals", body)).json()
    assert made["subject"]["pupil"]["given_name"] == TOGETHER
    assert made["reason"] == f"{TOGETHER} is hard to follow."


async def test_graphql_keeps_a_text_in_one_form_as_a_variable_and_in_the_document(service: Service) -> None:
    school = service.as_("school")
    body = camelled(pupil_referral("SLT", given_name=APART) | {"reason": APART})
    made = await asked(school, SUBMIT, input=body)
    referral: dict[str, Any] = made.json()["data"]["submitReferral"]["referral"]
    assert referral == {"reason": TOGETHER, "subject": {"pupil": {"givenName": TOGETHER}}}
    (listed,) = (await school.get("/v1/referrals")).json()["data"]
    renamed = await asked(school, RENAME % (listed["id"], f"{APART}e"))
    referral = renamed.json()["data"]["updateReferral"]["referral"]
    assert referral["subject"]["pupil"]["givenName"] == f"{TOGETHER}e"


async def test_a_line_of_a_load_is_kept_and_recognised_in_one_form(service: Service) -> None:
    referral, trust = await referred(service, *WAITING), service.as_("trust")
    lines = [line(referral, reference) for reference in (APART, TOGETHER)]
    refused = results(await load(trust, lines, on_error="skip"))
    assert [each["result"] for each in refused] == ["created", "invalid"]
    assert [each["result"] for each in results(await load(trust, lines[1:]))] == ["unchanged"]
    (contact,) = (await trust.get("/v1/contacts")).json()["data"]
    assert contact["reference"] == TOGETHER


async def test_a_record_is_found_by_its_code_in_either_form(service: Service) -> None:
    commissioner = service.as_("commissioner")
    made = await commissioner.post("/v1/clusters", {"code": APART, "name": "Zoe's"})
    assert made.json()["code"] == TOGETHER
    taken = await commissioner.post("/v1/clusters", {"code": TOGETHER, "name": "Zoe's"})
    assert taken.status_code == 409
    for form in (APART, TOGETHER):
        assert (await commissioner.get(f"/v1/clusters/{form}")).json()["id"] == made.json()["id"]
        assert (await commissioner.get("/v1/schools", cluster=form)).status_code == 200
        for query in ("query ($c: ID!) { cluster(id: $c) { id } }", f'{{ cluster(id: "{form}") {{ id }} }}'):
            answer = await asked(commissioner, query, **({"c": form} if "$" in query else {}))
            assert answer.json()["data"] == {"cluster": {"id": made.json()["id"]}}


async def test_what_was_stored_before_stays_as_it_is(service: Service) -> None:
    made = (await service.as_("commissioner").post("/v1/clusters", {"code": "Z", "name": "Z"})).json()
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute("update cluster set name = $1 where code = 'Z'", APART)
    await admin.close()
    shown = await service.as_("commissioner").get(f"/v1/clusters/{made['id']}")
    assert json.loads(shown.content)["name"] == APART
