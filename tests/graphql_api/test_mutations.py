"""The partners' writes over GraphQL: the rules of REST, its codes and its pointers."""

import asyncio
from typing import Any

import asyncpg
import httpx2
from support.api_client import Caller, Service, pupil_referral
from support.graphql_requests import asked, camelled, codes
from support.referral_steps import ACCEPTED, WAITING, referred, session

from convenor_graphql.schema import graphql_api

SUBMIT = """
mutation ($input: ReferralInput!, $key: String!) {
  submitReferral(input: $input, idempotencyKey: $key) {
    referral { id code status version subject { ... on PupilSubject { pupil { givenName nhsNumber } } } }
  }
}
"""
STEP = """
mutation ($id: ID!, $version: Int!, $to: String!) {
  transitionReferral(id: $id, ifVersion: $version, input: { to: $to }) { referral { status next version } }
}
"""
CONTACT = """
mutation ($id: ID!, $input: ContactInput!, $key: String!) {
  addContact(id: $id, input: $input, idempotencyKey: $key) {
    contact { onDay: on referral { status transitions { edges { node { to } } } } }
  }
}
"""


async def submitted(caller: Caller, body: dict[str, Any], key: str = "k") -> httpx2.Response:
    return await asked(caller, SUBMIT, input=camelled(body), key=key)


async def stored(service: Service) -> int:
    referrals = await service.as_("commissioner").get("/v1/referrals", count="true")
    count: int = referrals.json()["count"]
    return count


async def test_every_fault_is_named_by_the_pointer_of_what_was_sent_and_nothing_is_stored(service: Service) -> None:
    body = pupil_referral("SLT", urn="12", upn="B801200005002", date_of_birth="2016-15-04")
    refused = await submitted(service.as_("school"), body)
    assert refused.json()["data"] == {"submitReferral": None}
    error = refused.json()["errors"][0]
    assert (error["path"], error["extensions"]["code"]) == (["submitReferral"], "invalid")
    assert {fault["pointer"] for fault in error["extensions"]["errors"]} == {
        "/schoolUrn",
        "/subject/pupil/upn",
        "/subject/pupil/dateOfBirth",
    }
    assert await stored(service) == 0


async def test_a_date_that_is_no_day_in_text_has_the_fault_that_rest_gives_it(service: Service) -> None:
    body = pupil_referral("SLT", date_of_birth="1462320000")
    alone = (await service.as_("school").post("/v1/referrals", body)).json()["errors"]
    refused = await submitted(service.as_("school"), body)
    faults = refused.json()["errors"][0]["extensions"]["errors"]
    assert faults == [alone[0] | {"pointer": "/subject/pupil/dateOfBirth"}]
    assert await stored(service) == 0


async def test_a_fault_of_reference_has_the_code_that_rest_gives_it(service: Service) -> None:
    refused = await submitted(service.as_("far_school"), pupil_referral("OT", urn="900003"))
    faults = refused.json()["errors"][0]["extensions"]["errors"]
    assert [(fault["pointer"], fault["code"]) for fault in faults] == [("/serviceId", "not_bought")]


async def test_a_write_without_its_scope_is_refused_and_audited(service: Service) -> None:
    refused = await submitted(service.as_("commissioner"), pupil_referral("SLT"))
    assert codes(refused) == ["scope_missing"]
    assert refused.json()["errors"][0]["extensions"]["scope"] == "referrals:write"
    events = (await service.as_("auditor").get("/v1/audit/events", action="referrals:submit")).json()["data"]
    assert [(event["status"], event["problem"]) for event in events] == [(403, "scope_missing")]


async def test_a_mutation_is_read_back_through_what_its_caller_may_see(service: Service) -> None:
    made = await submitted(service.as_("school"), pupil_referral("SLT"))
    referral = made.json()["data"]["submitReferral"]["referral"]
    assert (referral["status"], referral["version"]) == ("submitted", 1)
    assert referral["subject"] == {"pupil": {"givenName": "Robin", "nhsNumber": None}}
    assert made.json()["extensions"]["redacted"] == ["submitReferral.referral.subject.pupil.nhsNumber"]
    assert (await service.as_("trust").get(f"/v1/referrals/{referral['id']}")).json()["code"] == referral["code"]


async def test_its_event_commits_with_it_and_names_record_and_pupil(service: Service) -> None:
    made = await submitted(service.as_("school"), pupil_referral("SLT"))
    events = (await service.as_("auditor").get("/v1/audit/events", action="referrals:submit")).json()["data"]
    assert [event["request_id"] for event in events] == [made.headers["x-request-id"]]
    assert events[0]["records"] == [made.json()["data"]["submitReferral"]["referral"]["id"]]
    assert len(events[0]["subjects"]) == 1
    all_of_it = (await service.as_("auditor").get("/v1/audit/events")).json()["data"]
    assert [event["action"] for event in all_of_it if event["request_id"] == made.headers["x-request-id"]] == [
        "referrals:submit"
    ]


async def test_the_same_key_and_document_give_the_same_answer_once_stored(service: Service) -> None:
    school, body = service.as_("school"), pupil_referral("SLT")
    first, second = await asyncio.gather(submitted(school, body), submitted(school, body))
    assert first.json()["data"] == second.json()["data"]
    assert [answer.json()["extensions"].get("idempotencyReplayed") for answer in (first, second)].count(
        ["submitReferral"]
    ) == 1
    assert [answer.json()["extensions"]["redacted"] for answer in (first, second)] == [
        ["submitReferral.referral.subject.pupil.nhsNumber"]
    ] * 2
    assert await stored(service) == 1


async def test_the_same_key_with_another_document_is_refused(service: Service) -> None:
    school = service.as_("school")
    await submitted(school, pupil_referral("SLT"))
    refused = await submitted(school, pupil_referral("OUTREACH"))
    assert codes(refused) == ["idempotency_key_reused"]
    assert await stored(service) == 1


async def test_two_writes_of_one_document_never_share_a_key(service: Service) -> None:
    query = """mutation ($a: ReferralInput!, $b: ReferralInput!) {
      first: submitReferral(input: $a, idempotencyKey: "one") { referral { code } }
      second: submitReferral(input: $b, idempotencyKey: "one") { referral { code } }
    }"""
    other = pupil_referral("OUTREACH")
    made = await asked(service.as_("school"), query, a=camelled(pupil_referral("SLT")), b=camelled(other))
    assert made.json()["data"]["first"]["referral"]["code"]
    assert made.json()["data"]["second"] is None
    assert codes(made) == ["idempotency_key_reused"]


async def test_a_question_about_a_pupil_is_asked_and_answered_as_over_rest(service: Service) -> None:
    school, stated = service.as_("school"), pupil_referral("SLT", upn=None, nhs_number=None)
    first = (await submitted(school, stated)).json()["data"]["submitReferral"]["referral"]["code"]
    again = pupil_referral("OUTREACH", upn=None, nhs_number=None)
    asked_about = await submitted(school, again, key="two")
    (error,) = asked_about.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["referral"]) == ("same_name_and_birth_date", first)
    assert (await submitted(school, again | {"same_as": first}, key="three")).json()["data"]["submitReferral"]
    contradicting = pupil_referral("OT", upn=None, nhs_number=None, date_of_birth="2015-01-01") | {"same_as": first}
    (error,) = (await submitted(school, contradicting, key="four")).json()["errors"]
    assert [fault["pointer"] for fault in error["extensions"]["errors"]] == ["/subject/pupil/dateOfBirth"]


async def test_what_fails_in_a_document_leaves_what_was_written_before_it(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    query = """mutation ($id: ID!, $version: Int!) {
      on: transitionReferral(id: $id, ifVersion: $version, input: { to: "waiting" }) { referral { status version } }
      stale: transitionReferral(id: $id, ifVersion: $version, input: { to: "paused" }) { referral { status } }
    }"""
    version = int((await service.as_("trust").get(f"/v1/referrals/{referral['id']}")).headers["ETag"].strip('"'))
    answer = await asked(service.as_("trust"), query, id=referral["id"], version=version)
    assert answer.json()["data"] == {"on": {"referral": {"status": "waiting", "version": version + 1}}, "stale": None}
    assert (codes(answer), answer.json()["errors"][0]["path"]) == (["stale"], ["stale"])


async def test_what_was_written_is_told_even_if_the_next_refusal_cannot_be_audited(service: Service) -> None:
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute(
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'no' using errcode = 'lock_not_available'; end $$;"
        "create trigger refuse before insert on audit_event for each row when (new.status = 404)"
        " execute function refuse()"
    )
    await admin.close()
    query = """mutation ($input: ReferralInput!) {
      made: submitReferral(input: $input, idempotencyKey: "k") { referral { code } }
      absent: updateReferral(id: "REF-0", ifVersion: 1, input: { priority: soon }) { referral { code } }
    }"""
    answer = await asked(service.as_("school"), query, input=camelled(pupil_referral("SLT")))
    assert answer.json()["data"]["made"]["referral"]["code"]
    assert answer.json()["data"]["absent"] is None
    assert (codes(answer), answer.json()["errors"][0]["path"]) == (["unavailable"], ["absent"])
    assert await stored(service) == 1


async def test_a_mutation_that_writes_nothing_leaves_its_event(shared_service: Service) -> None:
    answer = await asked(shared_service.as_("school"), "mutation { __typename }")
    assert answer.json()["data"] == {"__typename": "Mutation"}
    events = (await shared_service.as_("auditor").get("/v1/audit/events", action="graphql:query", limit=100)).json()[
        "data"
    ]
    assert answer.headers["x-request-id"] in {event["request_id"] for event in events}


async def test_an_illegal_step_names_the_legal_ones(service: Service) -> None:
    referral = await referred(service)
    refused = await asked(service.as_("trust"), STEP, id=referral["code"], version=1, to="discharged")
    assert refused.json()["errors"][0]["extensions"]["legal"] == ["accepted", "returned", "declined"]


async def test_another_s_referral_reads_as_if_it_were_not_there(service: Service) -> None:
    referral = await referred(service)
    second_trust, absent = service.as_("second_trust"), "01900000-0000-7000-8000-000000000000"
    stranger = await asked(second_trust, STEP, id=referral["id"], version=1, to="accepted")
    nobody = await asked(second_trust, STEP, id=absent, version=1, to="accepted")
    assert stranger.json()["errors"] == nobody.json()["errors"]
    assert codes(stranger) == ["not_found"]


async def test_the_first_attended_contact_starts_the_work_as_in_rest(service: Service) -> None:
    referral = await referred(service, *WAITING)
    contact = camelled(session(days_ago=1))
    made = await asked(service.as_("trust"), CONTACT, id=referral["code"], input=contact, key="c1")
    assert made.json()["data"]["addContact"]["contact"]["referral"] == {
        "status": "in_progress",
        "transitions": {"edges": [{"node": {"to": to}} for to in ("submitted", *WAITING, "in_progress")]},
    }


async def test_an_outcome_and_a_return_are_recorded(service: Service) -> None:
    referral = await referred(service, *WAITING)
    outcome = await asked(
        service.as_("trust"),
        """mutation ($id: ID!) {
          addOutcome(id: $id, idempotencyKey: "o", input: {
            instrument: TOMs, domain: activity, baseline: { on: "2026-01-01", value: 2 }
          }) { outcome { instrument baseline { value } later { value } } }
        }""",
        id=referral["id"],
    )
    measured = {"instrument": "TOMs", "baseline": {"value": 2}, "later": None}
    assert outcome.json()["data"] == {"addOutcome": {"outcome": measured}}
    returned = await asked(
        service.as_("charity"),
        """mutation {
          submitReturn(idempotencyKey: "r", input: {
            slaId: "SLA-OUTREACH", period: { from: "2025-09-01", to: "2025-12-31" }, costPence: 2000000
            volumes: { sessions: 38, pupils: 12, schools: 3 }
            measures: [{ kpi: "goals_met", numerator: 9, denominator: 12 }]
          }) { impactReturn { status period { from to } checks { check outcome } sla { code } } }
        }""",
    )
    report = returned.json()["data"]["submitReturn"]["impactReturn"]
    assert (report["status"], report["period"]) == ("submitted", {"from": "2025-09-01", "to": "2025-12-31"})
    assert report["sla"] == {"code": "SLA-OUTREACH"}
    assert report["checks"]


async def test_what_a_payload_leads_to_needs_its_own_scope_before_anything_is_written(service: Service) -> None:
    query = SUBMIT.replace("id code status", "id code status contacts { edges { node { id } } }")
    school = service.as_("school")
    await school.authorise("referrals:write", "referrals:read")
    refused = await asked(school, query, input=camelled(pupil_referral("SLT")), key="k")
    assert (refused.status_code, codes(refused)) == (403, ["scope_missing"])
    assert await stored(service) == 0


MEND = """
mutation ($id: ID!, $version: Int!, $input: ReferralUpdateInput!) {
  updateReferral(id: $id, ifVersion: $version, input: $input) {
    referral {
      version priority reason need
      subject { ... on PupilSubject { pupil { givenName familyName parentName parentEmail senProvision } } }
    }
  }
}
"""


async def test_null_empties_over_graphql_what_it_empties_over_rest_and_what_is_left_out_is_kept(
    service: Service,
) -> None:
    school = service.as_("school")
    stated = pupil_referral("SLT", parent_name="Rowan Ashgrove", parent_email="rowan@example.org")
    code = (await submitted(school, stated)).json()["data"]["submitReferral"]["referral"]["code"]
    shapes = service.app.openapi()["components"]["schemas"]

    async def mended(version: int, **fields: Any) -> Any:
        return (await asked(school, MEND, id=code, version=version, input=fields)).json()

    def kept(shape: str) -> list[str]:
        fields = shapes[shape]["properties"].items()
        return [name for name, field in fields if {"type": "null"} not in field.get("anyOf", [])]

    before = (await mended(1, priority="soon"))["data"]["updateReferral"]["referral"]
    for name in camelled(dict.fromkeys(kept("ReferralUpdate"))):
        (error,) = (await mended(2, **{name: None}))["errors"]
        assert [(fault["pointer"], fault["code"]) for fault in error["extensions"]["errors"]] == [
            (f"/{name}", "required")
        ]
    for name in camelled(dict.fromkeys(kept("PupilUpdate"))):
        (error,) = (await mended(2, pupil={name: None}))["errors"]
        assert [fault["pointer"] for fault in error["extensions"]["errors"]] == [f"/pupil/{name}"]
    emptied = await mended(2, consent=None, pupil={"parentEmail": None})
    before["subject"]["pupil"]["parentEmail"] = None
    assert emptied["data"]["updateReferral"]["referral"] == before | {"version": 3}


def test_no_input_says_that_what_is_left_out_is_null() -> None:
    assert "= null" not in graphql_api().sdl
