"""What a school, a service and a commissioner may do with referrals, over REST."""

import asyncio
import gc
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from support.api_client import Service, pupil_referral

from convenor.database import pools
from convenor.domain_types.dates import today
from convenor.read_model.list_query import Query
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal


async def test_every_fault_of_shape_is_named_at_once_and_nothing_is_stored(service: Service) -> None:
    school = service.as_("school")
    body = pupil_referral("SLT", urn="12", upn="B801200005002", date_of_birth="2016-15-04") | {"colour": "blue"}
    refused = await school.post("/v1/referrals", body)
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {
        "/school_urn",
        "/subject/pupil/upn",
        "/subject/pupil/date_of_birth",
        "/colour",
    }
    assert (await school.get("/v1/referrals")).json()["data"] == []


@pytest.mark.parametrize("written", [1462320000, "1462320000", "2016-05-04T00:00:00", "20160504", ["2016-05-04"]])
async def test_a_date_of_birth_is_a_day_in_text(shared_service: Service, written: Any) -> None:
    refused = await shared_service.as_("school").post("/v1/referrals", pupil_referral("SLT", date_of_birth=written))
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"] == [
        {
            "pointer": "/subject/pupil/date_of_birth",
            "code": "date_format",
            "detail": "Write a date as 2026-01-20, from 1900 to 2999.",
        }
    ]


async def test_a_body_and_an_object_in_it_are_objects(shared_service: Service) -> None:
    school, wrong = shared_service.as_("school"), {"code": "object_type", "detail": "Send an object."}
    refused = await school.post("/v1/referrals", pupil_referral("SLT") | {"subject": "pupil", "consent": True})
    assert refused.json()["errors"] == [{"pointer": "/subject"} | wrong, {"pointer": "/consent"} | wrong]
    assert (await school.post("/v1/referrals", [])).json()["errors"] == [{"pointer": ""} | wrong]


async def test_every_fault_of_reference_is_named_at_once(service: Service) -> None:
    body = pupil_referral("NO-SUCH-SERVICE", urn="900003") | {"pathway": "nowhere"}
    refused = await service.as_("school").post("/v1/referrals", body)
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/school_urn", "/service_id", "/pathway"}


async def test_a_service_that_the_cluster_does_not_buy_is_refused(service: Service) -> None:
    refused = await service.as_("far_school").post("/v1/referrals", pupil_referral("OT", urn="900003"))
    assert [fault["code"] for fault in refused.json()["errors"]] == ["not_bought"]


async def test_a_service_without_a_provider_takes_no_referral(service: Service) -> None:
    nobodys = {"code": "PLAY", "name": "Play", "area_of_need": "SEMH", "offer": "core"}
    assert (await service.as_("commissioner").post("/v1/services", nobodys)).status_code == 201
    refused = await service.as_("school").post("/v1/referrals", pupil_referral("PLAY"))
    faults = [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]]
    assert (refused.status_code, faults) == (422, [("/service_id", "no_provider")])


@pytest.mark.parametrize(("bound", "days_ahead"), [("valid_to", 0), ("valid_from", 1)])
async def test_a_service_takes_no_referral_on_a_day_on_which_it_is_not_offered(
    service: Service, bound: str, days_ahead: int
) -> None:
    commissioner, school = service.as_("commissioner"), service.as_("school")
    etag = (await commissioner.get("/v1/services/SLT")).headers["ETag"]
    ended = await commissioner.patch("/v1/services/SLT", {bound: str(today() + timedelta(days=days_ahead))}, etag)
    assert ended.status_code == 200, ended.text
    refused = await school.post("/v1/referrals", pupil_referral("SLT"))
    assert ("/service_id", "not_offered") in [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]]
    assert (await school.get("/v1/referrals")).json()["data"] == []


async def test_the_first_day_of_a_referral(service: Service) -> None:
    school, trust = service.as_("school"), service.as_("trust")
    made = await school.post("/v1/referrals", pupil_referral("SLT"))
    assert made.status_code == 201, made.text
    referral = made.json()
    assert referral["next"] == ["accepted", "returned", "declined", "withdrawn"]
    numbers = ["subject.pupil.traced_nhs_number", "subject.pupil.nhs_number"]
    assert referral["redacted"] == ["possible_duplicates", "continues", "continued_by", *numbers]
    assert made.headers["ETag"] == '"1"'
    assert made.headers["Location"] == f"/v1/referrals/{referral['id']}"
    path = made.headers["Location"]

    seen = await trust.get(path)
    assert seen.json()["redacted"] == ["subject.pupil.upn"]
    assert seen.json()["subject"]["pupil"]["nhs_number"] == "9990000018"

    assert (await trust.post(f"{path}/transitions", {"to": "accepted"}, etag='"9"')).status_code == 412
    accepted = await trust.post(f"{path}/transitions", {"to": "accepted"}, etag='"1"')
    assert (accepted.status_code, accepted.json()["status"]) == (201, "accepted")
    illegal = await trust.post(f"{path}/transitions", {"to": "submitted"}, etag='"2"')
    assert (illegal.status_code, illegal.json()["legal"]) == (409, ["waiting"])
    history = (await school.get(f"{path}/transitions")).json()["data"]
    assert [step["to"] for step in history] == ["submitted", "accepted"]


async def test_another_school_s_referral_reads_as_if_it_were_not_there(service: Service) -> None:
    path = (await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))).headers["Location"]
    for other in ("neighbour", "far_school", "second_trust", "charity"):
        assert (await service.as_(other).get(path)).status_code == 404
        assert (await service.as_(other).get("/v1/referrals")).json() == {"data": [], "next": None}
    assert (await service.as_("board").get(path)).status_code == 403


async def test_a_repeated_call_gets_the_first_answer_and_another_body_is_refused(service: Service) -> None:
    school = service.as_("school")
    first = await school.post("/v1/referrals", pupil_referral("SLT"), key="one")
    again = await school.post("/v1/referrals", pupil_referral("SLT"), key="one")
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.content) == (201, "true", first.content)
    other = await school.post("/v1/referrals", pupil_referral("OT"), key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    events = (await service.as_("auditor").get("/v1/audit/events", record=first.json()["id"])).json()["data"]
    assert [event["action"] for event in events] == ["referrals:submit_replayed", "referrals:submit"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no lock for long. Name it before the application, whose connections take this with them."""
    monkeypatch.setitem(pools._SERVER_SETTINGS, "lock_timeout", "100")


async def test_a_repeat_of_a_call_that_has_not_ended_is_told_to_wait(impatient: None, service: Service) -> None:
    school, holder = service.as_("school"), await asyncpg.connect(service.superuser_url)
    secret, scopes = load_secret_keys(service.data_dir), school.client.scopes
    who = await load_principal(service.services.readers, school.client.client_id, scopes, secret)
    assert who
    async with holder.transaction():
        await holder.execute(
            "insert into idempotency_record (client_id, method, path, key, digest, created_at)"
            " values ($1, 'POST', encode(sha256('/v1/referrals'), 'hex'), $2, sha256('{}'), now())",
            school.client.client_id,
            who.keyed_hash(b"one").hex(),
        )
        refused = await school.post("/v1/referrals", pupil_referral("SLT"), key="one")
        await holder.execute("delete from idempotency_record")
    await holder.close()
    assert (refused.status_code, refused.json()["code"]) == (409, "still_running")
    assert refused.headers["Retry-After"] == "5"
    assert (await school.post("/v1/referrals", pupil_referral("SLT"), key="one")).status_code == 201


async def test_a_second_open_referral_of_a_pupil_names_the_first(service: Service) -> None:
    first = (await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))).json()
    own = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    assert (own.status_code, own.json()["referral"]) == (409, first["code"])
    events = await service.as_("auditor").get("/v1/audit/events", pupil=first["subject"]["pupil"]["id"], status=409)
    assert [event["request_id"] for event in events.json()["data"]] == [own.headers["x-request-id"]]


async def _referred(service: Service, **how: Any) -> tuple[str, dict[str, Any]]:
    made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT", **how))
    assert made.status_code == 201, made.text
    return made.headers["Location"], made.json()


async def test_a_step_that_requires_a_reason_is_refused_without_one(service: Service) -> None:
    path, _ = await _referred(service)
    refused = await service.as_("trust").post(f"{path}/transitions", {"to": "returned"}, etag='"1"')
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/reason")


async def test_a_step_without_the_version_that_was_seen_is_refused(service: Service) -> None:
    path, _ = await _referred(service)
    trust = service.as_("trust")
    refused = await trust.call("POST", f"{path}/transitions", json={"to": "accepted"})
    assert (refused.status_code, refused.json()["code"]) == (428, "precondition_missing")


async def test_the_referrer_does_not_accept_and_the_service_does_not_withdraw(service: Service) -> None:
    path, _ = await _referred(service)
    accept = await service.as_("school").post(f"{path}/transitions", {"to": "accepted"}, etag='"1"')
    assert (accept.status_code, accept.json()["legal"]) == (409, ["withdrawn"])
    withdraw = await service.as_("trust").post(f"{path}/transitions", {"to": "withdrawn", "reason": "x"}, etag='"1"')
    assert (withdraw.status_code, withdraw.json()["legal"]) == (409, ["accepted", "returned", "declined"])


async def test_one_of_two_steps_of_services_at_once_is_stale(service: Service) -> None:
    path, _ = await _referred(service)
    trust = service.as_("trust")
    await trust.authorise()
    answers = await asyncio.gather(
        trust.post(f"{path}/transitions", {"to": "accepted"}, etag='"1"'),
        trust.post(f"{path}/transitions", {"to": "declined", "reason": "full"}, etag='"1"'),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 412]


async def test_a_pupil_s_details_are_mended_until_the_service_accepts(service: Service) -> None:
    path, _ = await _referred(service)
    school, trust = service.as_("school"), service.as_("trust")
    for_the_service = await trust.patch(path, {"priority": "urgent"}, '"1"')
    assert for_the_service.status_code == 409
    empty = await school.patch(path, {}, '"1"')
    assert empty.status_code == 422
    mended = await school.patch(path, {"priority": "urgent", "pupil": {"given_name": "Rowan"}}, '"1"')
    assert mended.status_code == 200, mended.text
    assert mended.json()["subject"]["pupil"]["given_name"] == "Rowan"
    assert mended.headers["ETag"] == '"2"'
    await trust.post(f"{path}/transitions", {"to": "accepted"}, etag='"2"')
    assert (await school.patch(path, {"priority": "routine"}, '"3"')).status_code == 409


async def test_a_referral_about_no_one_pupil_has_no_pupil_s_details_to_mend(service: Service) -> None:
    school = service.as_("school")
    made = await school.post("/v1/referrals", pupil_referral("SLT") | {"subject": {"kind": "school"}})
    refused = await school.patch(made.headers["Location"], {"need": "ASD", "pupil": {"given_name": "Rowan"}}, '"1"')
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
        ("/pupil", "not_about_a_pupil")
    ]
    assert (await school.get(made.headers["Location"])).json()["need"] == "SLCN"


async def test_consent_is_corrected_and_taken_back_as_a_whole(service: Service) -> None:
    path, _ = await _referred(service)
    school, given = service.as_("school"), {"basis": "consent", "given_by": "parent_or_carer", "on": "2026-01-20"}
    refused = await school.patch(path, {"consent": {"basis": "consent"}}, '"1"')
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/consent/on"]
    stated = await school.patch(path, {"consent": given}, '"1"')
    assert stated.json()["consent"] == given
    agreed = {"basis": "informed", "on": "2026-01-21"}
    corrected = await school.patch(path, {"consent": agreed}, '"2"')
    assert corrected.json()["consent"] == agreed | {"given_by": None}
    assert (await school.patch(path, {"consent": None}, '"3"')).json()["consent"] is None


async def test_a_returned_referral_goes_back_to_the_service_and_its_wait_runs_on(service: Service) -> None:
    path, referral = await _referred(service)
    school, trust = service.as_("school"), service.as_("trust")
    returned = await trust.post(f"{path}/transitions", {"to": "returned", "reason": "no hearing test"}, etag='"1"')
    assert returned.json()["next"] == ["submitted", "withdrawn"]
    again = await school.post(f"{path}/transitions", {"to": "submitted", "reason": "attached"}, etag='"2"')
    assert again.status_code == 201
    assert again.json()["submitted_at"] == referral["submitted_at"]
    assert again.json()["returned_days"] == 0


async def test_a_withdrawn_referral_makes_room_for_another(service: Service) -> None:
    path, _ = await _referred(service)
    school = service.as_("school")
    gone = await school.post(f"{path}/transitions", {"to": "withdrawn", "reason": "moved away"}, etag='"1"')
    assert gone.json()["next"] == []
    assert gone.json()["ended_at"]
    await _referred(service)


async def test_two_schools_never_overwrite_what_the_other_stated(service: Service) -> None:
    first, _ = await _referred(service)
    body = pupil_referral("OUTREACH", urn="900002", given_name="Bobbie", nhs_number=None)
    second = (await service.as_("neighbour").post("/v1/referrals", body)).json()
    mine = (await service.as_("school").get(first)).json()
    assert mine["subject"]["pupil"]["given_name"] == "Robin"
    assert second["subject"]["pupil"]["given_name"] == "Bobbie"
    assert mine["subject"]["pupil"]["id"] != second["subject"]["pupil"]["id"]
    assert mine["subject"]["pupil"]["pseudonym"] != second["subject"]["pupil"]["pseudonym"]


async def test_a_group_and_a_whole_school_can_be_referred(service: Service) -> None:
    school = service.as_("school")
    body = pupil_referral("SLT")
    body["subject"] = {"kind": "group", "group": {"size": 6, "year_groups": ["R", "1"], "description": "Quiet ones"}}
    group = await school.post("/v1/referrals", body)
    assert group.json()["subject"]["group"]["size"] == 6
    body["subject"] = {"kind": "school"}
    whole = await school.post("/v1/referrals", body)
    assert whole.json()["subject"] == {"kind": "school"}
    seen = await service.as_("commissioner").get(group.headers["Location"])
    assert seen.json()["subject"]["group"] == {"size": 6, "year_groups": ["R", "1"]}


async def test_only_a_commissioner_who_may_identify_sees_who_it_is(service: Service) -> None:
    path, _ = await _referred(service)
    plain = (await service.as_("commissioner").get(path)).json()
    assert set(plain["subject"]["pupil"]) == {"sen_provision", "home_la_code", "pseudonym"}
    assert "reason" not in plain
    assert "reason" in plain["redacted"]
    whole = (await service.as_("identifying_commissioner").get(path)).json()
    assert whole["redacted"] == []


async def test_a_search_by_identity_is_exact_and_for_those_who_see_it(service: Service) -> None:
    path, referral = await _referred(service)
    found = (await service.as_("school").search({"upn": "B801200005001"})).json()["data"]
    assert [record["id"] for record in found] == [referral["id"]]
    refused = await service.as_("trust").search({"upn": "B801200005001"})
    assert refused.json()["errors"][0]["code"] == "not_for_role"
    by_number = await service.as_("trust").search({"nhs_number": "999 000 0018"})
    assert len(by_number.json()["data"]) == 1
    assert path.endswith(referral["id"])


async def test_what_a_list_was_searched_by_is_not_kept(service: Service) -> None:
    assert (await service.as_("school").search({"upn": "B801200005001"})).json()["data"] == []
    gc.collect()
    assert [
        found for found in gc.get_objects() if isinstance(found, Query) and "B801200005001" in found.values.values()
    ] == []


async def test_pages_follow_each_other_while_rows_are_written(service: Service) -> None:
    for at in range(5):
        await _referred(service, upn=None, nhs_number=None, given_name=f"Robin {at}")
    school = service.as_("school")
    first = await school.get("/v1/referrals", limit=2, fields="code")
    await _referred(service, upn=None, nhs_number=None, given_name="Late")
    assert 'rel="next"' in first.headers["Link"]
    assert set(first.json()["data"][0]) == {"code", "redacted"}
    codes = [record["code"] for record in first.json()["data"]]
    cursor = first.json()["next"]
    while cursor:
        page = (await school.get("/v1/referrals", limit=2, fields="code", cursor=cursor)).json()
        codes += [record["code"] for record in page["data"]]
        cursor = page["next"]
    assert len(codes) == len(set(codes)) == 5


async def test_a_timestamp_that_no_time_zone_can_hold_is_an_error_of_the_caller(service: Service) -> None:
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "1700000000"):
        refused = await service.as_("school").get("/v1/referrals", submitted_after=moment)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "timestamp_format")


async def test_a_key_under_a_path_of_any_length_is_taken(service: Service) -> None:
    trust = service.as_("trust")
    for name in ("x" * 6_000, "%00"):
        answer = await trust.post(f"/v1/referrals/{name}/outcomes", {})
        assert answer.status_code in (404, 422), answer.text
