"""The NHS number that a health service traces: its own statement, which no school's answer reflects."""

from typing import Any

import asyncpg
import httpx2
import pytest
from support.api_client import Service, pupil_referral
from support.graphql_requests import asked
from support.sealed import opened

TRACED, OTHER = "9990000026", "9990000034"
HIDDEN = "subject.pupil.traced_nhs_number"


@pytest.fixture
async def referral(service: Service) -> dict[str, Any]:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT", nhs_number=None))
    assert made.status_code == 201, made.text
    record: dict[str, Any] = made.json()
    return record


async def trace(
    service: Service, referral: dict[str, Any], number: str | None = TRACED, by: str = "trust"
) -> httpx2.Response:
    path = f"/v1/referrals/{referral['id']}"
    etag = (await service.as_(by).get(path)).headers["ETag"]
    return await service.as_(by).put(f"{path}/nhs-number", {"nhs_number": number}, etag)


async def seen(service: Service, referral: dict[str, Any], by: str) -> httpx2.Response:
    return await service.as_(by).get(f"/v1/referrals/{referral['id']}")


async def test_a_health_service_states_corrects_and_withdraws_a_number(
    service: Service, referral: dict[str, Any]
) -> None:
    for number in (TRACED, TRACED, OTHER, None, None, TRACED):
        answer = await trace(service, referral, number)
        assert answer.status_code == 200, answer.text
        assert answer.json()["subject"]["pupil"]["traced_nhs_number"] == number
        assert answer.json()["subject"]["pupil"]["nhs_number"] is None
    connection = await asyncpg.connect(service.superuser_url)
    kept = await connection.fetch("select superseded_at is null from traced_number order by stated_at")
    assert [row[0] for row in kept] == [False, False, True]
    numbers = [each["nhs_number"] for each in await opened(service, "traced_number", "stated_at")]
    assert numbers == [TRACED, OTHER, TRACED]
    with pytest.raises(asyncpg.RaiseError, match="never changes"):
        await connection.execute("update traced_number set nhs_number = 'x'")
    await connection.close()


async def test_no_answer_to_a_school_reflects_the_number(service: Service, referral: dict[str, Any]) -> None:
    before = await seen(service, referral, "school")
    await trace(service, referral)
    after = await seen(service, referral, "school")
    assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])
    assert HIDDEN in after.json()["redacted"]
    taken = await service.as_("school").post(
        "/v1/referrals", pupil_referral("SLT", upn=None, nhs_number=TRACED, given_name="Rowan")
    )
    assert taken.status_code == 201, "the school's matching knows nothing of it"
    assert taken.json()["subject"]["pupil"]["id"] != referral["subject"]["pupil"]["id"]


async def test_the_service_finds_the_pupil_s_referrals_by_the_number(
    service: Service, referral: dict[str, Any]
) -> None:
    await trace(service, referral)
    for by, found in (("trust", [referral["code"]]), ("identifying_commissioner", [referral["code"]])):
        answer = await service.as_(by).search({"nhs_number": TRACED})
        assert [each["code"] for each in answer.json()["data"]] == found, by
    await trace(service, referral, None)
    assert (await service.as_("trust").search({"nhs_number": TRACED})).json()["data"] == []


@pytest.mark.parametrize("by", ["school", "charity"])
async def test_nobody_else_states_a_number(service: Service, by: str) -> None:
    code = {"school": "SLT", "charity": "OUTREACH"}[by]
    made = (await service.as_("school").post("/v1/referrals", pupil_referral(code))).json()
    refused = await trace(service, made, by=by)
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert HIDDEN in (await seen(service, made, by)).json()["redacted"]


async def test_a_number_needs_a_pupil_a_check_digit_and_the_version_that_was_read(
    service: Service, referral: dict[str, Any]
) -> None:
    trust, path = service.as_("trust"), f"/v1/referrals/{referral['id']}/nhs-number"
    assert (await trust.put(path, {"nhs_number": TRACED}, '"9"')).status_code == 412
    assert (await trust.call("PUT", path, json={"nhs_number": TRACED})).status_code == 428
    assert (await trust.put(path, {"nhs_number": "9990000019"}, "*")).json()["errors"][0]["pointer"] == "/nhs_number"
    whole = pupil_referral("SLT") | {"subject": {"kind": "school"}}
    made = (await service.as_("school").post("/v1/referrals", whole)).json()
    refused = await trace(service, made)
    assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [
        ("/nhs_number", "not_about_a_pupil")
    ]


async def test_the_event_names_the_referral_and_the_statement_and_no_number(
    service: Service, referral: dict[str, Any]
) -> None:
    await trace(service, referral)
    pupil = referral["subject"]["pupil"]["id"]
    found = await service.as_("auditor").get("/v1/audit/events", pupil=pupil, action="referrals:state_nhs_number")
    (event,) = found.json()["data"]
    assert event["records"] == [referral["id"]]
    assert TRACED not in found.text


async def test_a_number_is_stated_over_graphql_too(service: Service, referral: dict[str, Any]) -> None:
    mutation = """mutation ($id: ID!) {
      stateNhsNumber(id: $id, ifVersion: 1, input: { nhsNumber: "999 000 0026" }) {
        referral { subject { ... on PupilSubject { pupil { tracedNhsNumber } } } }
      }
    }"""
    answer = await asked(service.as_("trust"), mutation, id=referral["id"])
    assert answer.json()["data"]["stateNhsNumber"]["referral"] == {"subject": {"pupil": {"tracedNhsNumber": TRACED}}}
