"""What a school, a service and a commissioner may do with referrals, over REST."""

from partner import Service, pupil_referral


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


async def test_every_fault_of_reference_is_named_at_once(service: Service) -> None:
    body = pupil_referral("NO-SUCH-SERVICE", urn="900003") | {"pathway": "nowhere"}
    refused = await service.as_("school").post("/v1/referrals", body)
    assert refused.status_code == 422
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/school_urn", "/service_id", "/pathway"}


async def test_a_service_that_the_cluster_does_not_buy_is_refused(service: Service) -> None:
    refused = await service.as_("far_school").post("/v1/referrals", pupil_referral("OT", urn="900003"))
    assert [fault["code"] for fault in refused.json()["errors"]] == ["not_bought"]


async def test_the_first_day_of_a_referral(service: Service) -> None:
    school, trust = service.as_("school"), service.as_("trust")
    made = await school.post("/v1/referrals", pupil_referral("SLT"))
    assert made.status_code == 201, made.text
    referral = made.json()
    assert referral["next"] == ["accepted", "returned", "declined", "withdrawn"]
    assert referral["redacted"] == ["subject.pupil.nhs_number"]
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


async def test_a_second_open_referral_of_a_pupil_names_only_the_school_s_own(service: Service) -> None:
    first = (await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))).json()
    own = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    assert (own.status_code, own.json()["referral"]) == (409, first["code"])
    others = await service.as_("neighbour").post("/v1/referrals", pupil_referral("SLT", urn="900002"))
    assert others.status_code == 409
    assert first["code"] not in others.text
