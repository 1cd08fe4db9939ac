"""Sessions, recorded one by one: when they may be, by whom, and what the first attended one does."""

import asyncpg
import pytest
from support.api_client import Service
from support.referral_steps import ACCEPTED, PAUSED, WAITING, day, moved, referred, session


async def test_no_contact_before_the_service_has_accepted(service: Service) -> None:
    referral = await referred(service)
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", session())
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert "accepted, waiting, in_progress" in refused.json()["detail"]
    assert "Move it to accepted first." in refused.json()["detail"]
    assert (await service.as_("trust").get("/v1/contacts")).json()["data"] == []


async def test_no_contact_while_paused(service: Service) -> None:
    referral = await referred(service, *PAUSED)
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", session())
    assert refused.status_code == 409
    assert "Move it to waiting first." in refused.json()["detail"]


async def test_no_contact_after_the_end(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/contacts"
    assert (await trust.post(path, session())).status_code == 201
    await moved(trust, referral["code"], "discharged")
    assert (await trust.post(path, session())).status_code == 409


async def test_a_session_before_its_referral_is_a_fault(service: Service) -> None:
    referral = await referred(service, *ACCEPTED, days_ago=10)
    path = f"/v1/referrals/{referral['id']}/contacts"
    refused = await service.as_("trust").post(path, session(11))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/on")
    assert refused.json()["errors"][0]["code"] == "before_referral"
    assert (await service.as_("trust").post(path, session(10))).status_code == 201


async def test_a_session_in_the_future_and_every_other_fault_of_shape_are_named_at_once(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    body = session(-1, mode="telepathy", duration_minutes=0, colour="blue")
    refused = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", body)
    assert refused.status_code == 422
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} >= {
        ("/on", "future_date"),
        ("/colour", "unknown_field"),
    }
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/on", "/mode", "/duration_minutes", "/colour"}


async def test_the_reference_of_a_session_is_seen_by_those_who_may_see_the_pupil_s_name(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    made = await trust.post(f"/v1/referrals/{referral['id']}/contacts", session(reference="Robin Ashgrove"))
    own = f"/v1/contacts/{made.json()['id']}"
    for path in (own, "/v1/contacts", f"/v1/referrals/{referral['id']}/contacts"):
        for key in ("trust", "school", "identifying_commissioner"):
            answer = (await service.as_(key).get(path)).json()
            (seen,) = answer.get("data", [answer])
            assert (seen["reference"], seen["redacted"]) == ("Robin Ashgrove", []), key
        answer = (await service.as_("commissioner").get(path)).json()
        (seen,) = answer.get("data", [answer])
        assert ("reference" in seen, seen["redacted"]) == (False, ["reference"])


@pytest.mark.parametrize("other", ["second_trust", "charity"])
async def test_another_provider_s_referral_reads_as_if_it_were_not_there(service: Service, other: str) -> None:
    referral = await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/contacts"
    made = await service.as_("trust").post(path, session())
    caller = service.as_(other)
    assert (await caller.post(path, session())).status_code == 404
    assert (await caller.get(path)).status_code == 404
    assert (await caller.get(made.headers["Location"])).status_code == 404
    assert (await caller.get("/v1/contacts", count="true")).json() == {"data": [], "next": None, "count": 0}


@pytest.mark.parametrize("reader", ["school", "commissioner"])
async def test_who_reads_sessions_does_not_record_them(service: Service, reader: str) -> None:
    referral = await referred(service, *ACCEPTED)
    made = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", session())
    refused = await service.as_(reader).post(f"/v1/referrals/{referral['id']}/contacts", session())
    assert (refused.status_code, refused.json()["scope"]) == (403, "contacts:write")
    assert (await service.as_(reader).get(made.headers["Location"])).status_code == 200


async def test_a_reference_stands_once_in_its_organisation(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    path = f"/v1/referrals/{referral['id']}/contacts"
    first = await trust.post(path, session(reference="EPR-1"))
    again = await trust.post(path, session(reference="EPR-1"))
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert again.json()["contact"] == first.json()["id"]
    other = await referred(service, code="OT", upn=None, nhs_number="9990000026")
    await moved(service.as_("second_trust"), other["code"], "accepted")
    theirs = await service.as_("second_trust").post(f"/v1/referrals/{other['id']}/contacts", session(reference="EPR-1"))
    assert theirs.status_code == 201


async def test_a_session_that_was_not_attended_starts_nothing(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *WAITING)
    body = session(attendance="did_not_attend")
    assert (await trust.post(f"/v1/referrals/{referral['id']}/contacts", body)).status_code == 201
    still = (await service.as_("school").get(f"/v1/referrals/{referral['id']}")).json()
    assert (still["status"], still["started_at"], still["waiting_days"]) == ("waiting", None, 30)


@pytest.mark.parametrize("steps", [ACCEPTED, WAITING])
async def test_the_first_attended_session_starts_the_work_and_ends_the_wait_on_its_day(
    service: Service, steps: tuple[str, ...]
) -> None:
    trust, school, referral = service.as_("trust"), service.as_("school"), await referred(service, *steps)
    path = f"/v1/referrals/{referral['id']}"
    before = (await school.get(path)).headers["ETag"]
    made = await trust.post(f"{path}/contacts", session(10, reference="EPR-1"))
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"/v1/contacts/{made.json()['id']}"
    assert (made.json()["referral_id"], made.json()["referral_code"]) == (referral["id"], referral["code"])
    answer = await school.get(path)
    begun = answer.json()
    assert (begun["status"], begun["waiting_days"]) == ("in_progress", 20)
    assert answer.headers["ETag"] != before
    last = (await school.get(f"{path}/transitions")).json()["data"][-1]
    assert (last["to"], last["by"]) == ("in_progress", "nobody")

    await trust.post(f"{path}/contacts", session(5))
    assert (await school.get(path)).json()["started_at"] == begun["started_at"]
    await trust.post(f"{path}/contacts", session(12))
    earlier = (await school.get(path)).json()
    assert (earlier["status"], earlier["waiting_days"]) == ("in_progress", 18)


async def test_a_first_session_on_the_day_of_the_referral_ends_the_wait_at_nought(service: Service) -> None:
    referral = await referred(service, *ACCEPTED, days_ago=0)
    made = await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", session(0))
    assert made.status_code == 201, made.text
    begun = (await service.as_("school").get(f"/v1/referrals/{referral['id']}")).json()
    assert (begun["status"], begun["waiting_days"]) == ("in_progress", 0)
    assert begun["started_at"] >= begun["submitted_at"]


async def test_sessions_are_found_by_referral_day_attendance_service_and_school(service: Service) -> None:
    trust, referral = service.as_("trust"), await referred(service, *ACCEPTED)
    for days_ago, attendance in ((9, "attended"), (6, "did_not_attend"), (3, "attended")):
        body = session(days_ago, attendance=attendance)
        assert (await trust.post(f"/v1/referrals/{referral['id']}/contacts", body)).status_code == 201

    async def days(**filters: str) -> list[str]:
        answer = await trust.get("/v1/contacts", **filters)
        assert answer.status_code == 200, answer.text
        return [found["on"] for found in answer.json()["data"]]

    everything = [day(3), day(6), day(9)]
    assert await days() == everything
    assert await days(sort="on") == everything[::-1]
    assert await days(referral=referral["code"]) == await days(referral=referral["id"]) == everything
    assert await days(referral="R000000000000") == await days(referral=service.area().services["SLT"].hex) == []
    assert await days(on_after=day(6)) == [day(3)]
    assert await days(on_before=day(6)) == [day(9)]
    assert await days(attendance="did_not_attend") == [day(6)]
    assert await days(service="SLT") == await days(service=referral["service_id"]) == everything
    assert await days(service="OT") == []
    assert await days(school="900001") == everything
    assert await days(school="900002") == []
    first = (await trust.get("/v1/contacts", limit="2")).json()
    assert [found["on"] for found in first["data"]] == everything[:2]
    assert await days(limit="2", cursor=first["next"]) == everything[2:]


async def test_the_audit_knows_whose_sessions_were_read(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    await service.as_("trust").post(f"/v1/referrals/{referral['id']}/contacts", session())
    await service.as_("school").get("/v1/contacts")
    admin = await asyncpg.connect(service.superuser_url)
    events = await admin.fetch(
        "select action, subjects from audit_event where action like 'contacts:%' order by at, id"
    )
    statement = await admin.fetchval("select statement_id from referral where code = $1", referral["code"])
    await admin.close()
    assert [(event["action"], event["subjects"]) for event in events] == [
        ("contacts:record", [statement]),
        ("contacts:list", [statement]),
    ]
