"""A trust that serves two areas: one organisation, a provider row in each, and two audits that hear of their own."""

from support.api_client import Caller, Service, pupil_referral
from support.clients import add_client, owner_session

from convenor.security.principal import Grant, Role, RowAccess


async def _trust_of_both(service: Service) -> Caller:
    grants = [
        Grant(area.id, RowAccess.PROVIDER, area.providers["trust"])
        for area in (service.dataset.wendshire, service.dataset.fenmark)
    ]
    async with owner_session(service.superuser_url) as session:
        client = await add_client(session, Role.HEALTH_SYSTEM, grants, client_id="both")
    return Caller(service.http, client)


async def test_each_area_s_audit_names_its_own_records_and_pupils_only(service: Service) -> None:
    both, pupils, referrals = await _trust_of_both(service), {}, {}
    for area, urn in (("wendshire", "900001"), ("fenmark", "900101")):
        made = (await service.as_("school", area).post("/v1/referrals", pupil_referral("SLT", urn))).json()
        pupils[area], referrals[area] = made["subject"]["pupil"]["id"], made["id"]
    page = await both.get("/v1/referrals", limit=1)
    assert page.json()["next"]
    listed = await both.get("/v1/referrals", count="true")
    assert {record["id"] for record in listed.json()["data"]} == set(referrals.values())
    assert listed.json()["count"] == 2
    for area in ("wendshire", "fenmark"):
        events = (await service.as_("auditor", area).get("/v1/audit/events", client="both", limit=200)).json()["data"]
        lists = [event for event in events if event["request_id"] == listed.headers["x-request-id"]]
        assert [(event["records"], len(event["subjects"])) for event in lists] == [([referrals[area]], 1)]
        about = await service.as_("auditor", area).get("/v1/audit/events", pupil=pupils[area], client="both")
        assert lists[0] in about.json()["data"]


async def test_a_repeated_call_is_audited_where_its_record_lies(service: Service) -> None:
    both = await _trust_of_both(service)
    made = await service.as_("school", "fenmark").post("/v1/referrals", pupil_referral("SLT", "900101"))
    path, referral = made.headers["Location"], made.json()["id"]
    await both.post(f"{path}/transitions", {"to": "accepted"}, etag='"1"')
    outcome = {"instrument": "TOMs", "domain": "activity", "baseline": {"on": "2026-01-20", "value": 2}}
    for _ in range(2):
        answer = await both.post(f"{path}/outcomes", outcome, key="once")
        assert answer.status_code == 201, answer.text
    replayed = answer.headers["x-request-id"]
    own = (await service.as_("auditor", "fenmark").get("/v1/audit/events", client="both", limit=200)).json()["data"]
    other = (await service.as_("auditor").get("/v1/audit/events", client="both", limit=200)).json()["data"]
    assert any(event["request_id"] == replayed and event["subjects"] for event in own)
    assert not [event for event in other if event["request_id"] == replayed]
    assert referral not in str(other)


async def _central_commissioner(service: Service) -> Caller:
    async with owner_session(service.superuser_url) as session:
        grants = [
            Grant(area.id, RowAccess.AREA, area.id) for area in (service.dataset.wendshire, service.dataset.fenmark)
        ]
        client = await add_client(session, Role.COMMISSIONER, grants, client_id="central")
    return Caller(service.http, client)


async def test_a_code_that_two_areas_use_names_no_record_to_change_and_an_id_does(service: Service) -> None:
    areas, central = (service.dataset.wendshire, service.dataset.fenmark), await _central_commissioner(service)
    other = areas[1].services["OT"]
    by_code = await central.patch("/v1/services/OT", {"name": "Occupational therapy"}, "*")
    assert (by_code.status_code, by_code.json()["code"]) == (409, "ambiguous_key")
    by_id = await central.patch(f"/v1/services/{other}", {"name": "Occupational therapy"}, "*")
    assert by_id.status_code == 200, by_id.text
    first = await central.get(f"/v1/services/{areas[0].services['OT']}")
    assert (first.json()["name"], by_id.json()["name"]) == ("The OT service", "Occupational therapy")


async def test_a_code_that_two_areas_use_names_no_record_to_read(service: Service) -> None:
    central, commissioner = await _central_commissioner(service), service.as_("commissioner")
    for path in ("/v1/services/OT", "/v1/clusters/1/schools", "/v1/clusters/1/roles"):
        answer = await central.get(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_key"), path
        assert (await commissioner.get(path)).status_code == 200, path
    assert (await central.get("/v1/services/NONE")).status_code == 404
    school = await central.get("/v1/schools/900101")
    assert school.json()["urn"] == "900101", school.text


async def test_graphql_tells_an_ambiguous_code_from_an_unknown_one(service: Service) -> None:
    central = await _central_commissioner(service)
    query = '{ both: service(id: "OT") { id } none: service(id: "NONE") { id } school(urn: "900101") { urn } }'
    answer = (await central.call("POST", "/graphql", json={"query": query})).json()
    assert answer["data"] == {"both": None, "none": None, "school": {"urn": "900101"}}
    assert {error["path"][0]: error["extensions"]["code"] for error in answer["errors"]} == {
        "both": "ambiguous_key",
        "none": "not_found",
    }


async def test_codes_in_a_body_are_those_of_the_record_s_area(service: Service) -> None:
    central, areas = await _central_commissioner(service), (service.dataset.wendshire, service.dataset.fenmark)
    for area in areas:
        updated = await central.patch(f"/v1/services/{area.services['OT']}", {"clusters": ["1", "2"]}, "*")
        assert updated.status_code == 200, updated.text
        assert updated.json()["clusters"] == ["1", "2"]
    described = {"code": "PLAY", "name": "Play", "area_of_need": "SEMH", "offer": "local"}
    created = await central.post("/v1/services", {**described, "area": "998", "clusters": ["2"]})
    assert created.status_code == 201, created.text
    assert created.json()["clusters"] == ["2"]
    nowhere = await central.post("/v1/services", {**described, "clusters": ["2"]})
    assert [error["pointer"] for error in nowhere.json()["errors"]] == ["/area"]
