"""Schools over REST: their entry in the directory, and what a conversion leaves behind."""

from support.api_client import Service, pupil_referral

ACADEMY = {"urn": "900060", "name": "Alder Academy", "on": "2024-09-01"}


async def test_nobody_but_the_central_team_changes_schools(shared_service: Service) -> None:
    for key in ("school", "trust", "cluster_lead", "board"):
        caller = shared_service.as_(key)
        assert (await caller.post("/v1/schools", {})).json()["scope"] == "schools:write"
        assert (await caller.post("/v1/schools/900001/successor", {})).json()["scope"] == "schools:write"
        assert (await caller.patch("/v1/schools/900001", {"name": "Ours"}, '"1"')).status_code == 403


async def test_another_area_s_school_reads_as_absent(shared_service: Service) -> None:
    commissioner, foreign = shared_service.as_("commissioner"), shared_service.area("fenmark").schools["900101"]
    for key in ("900101", str(foreign), "900999"):
        assert (await commissioner.get(f"/v1/schools/{key}")).status_code == 404
        assert (await commissioner.patch(f"/v1/schools/{key}", {"name": "Ours"}, '"1"')).status_code == 404
        assert (await commissioner.post(f"/v1/schools/{key}/successor", ACADEMY)).status_code == 404


async def test_every_fault_of_a_school_is_named_at_once(service: Service) -> None:
    commissioner = service.as_("commissioner")
    body = {"urn": "9", "name": "Alder School", "phase": "tertiary", "ukprn": "12", "colour": "blue"}
    refused = await commissioner.post("/v1/schools", body)
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/urn", "/phase", "/ukprn", "/colour"}
    backwards = {"urn": "900050", "name": "Alder School", "area": "998"} | {
        "opened_on": "2020-01-01",
        "closed_on": "2019-01-01",
    }
    refused = await commissioner.post("/v1/schools", backwards)
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/area", "/closed_on"}
    assert (await commissioner.get("/v1/schools/900050")).status_code == 404


async def test_a_school_keeps_its_urn_and_two_schools_never_share_one(service: Service) -> None:
    commissioner = service.as_("commissioner")
    assert (await commissioner.post("/v1/schools", {"urn": "900001", "name": "Twin"})).status_code == 409
    assert (await commissioner.patch("/v1/schools/900001", {"urn": "900050"}, '"1"')).status_code == 409
    made = await commissioner.post("/v1/schools", {"name": "Alder School"})
    assert made.json()["urn"] is None
    stated = await commissioner.patch(made.headers["Location"], {"urn": "900050"}, made.headers["ETag"])
    assert (stated.status_code, stated.json()["urn"]) == (200, "900050")


async def test_a_conversion_that_does_not_fit_is_refused_whole(service: Service) -> None:
    commissioner = service.as_("commissioner")
    future = await commissioner.post("/v1/schools/900001/successor", ACADEMY | {"on": "2999-09-01"})
    assert [fault["code"] for fault in future.json()["errors"]] == ["future_date"]
    early = await commissioner.post("/v1/schools/900001/successor", ACADEMY | {"on": "2020-09-01"})
    assert [fault["code"] for fault in early.json()["errors"]] == ["later_membership"]
    taken = await commissioner.post("/v1/schools/900001/successor", ACADEMY | {"urn": "900002"})
    assert taken.status_code == 409
    kept = (await commissioner.get("/v1/schools/900001")).json()
    assert (kept["status"], kept["successor_id"], kept["cluster"]) == ("open", None, "1")


async def test_an_academy_takes_its_predecessor_s_place_in_the_cluster(service: Service) -> None:
    commissioner, school = service.as_("commissioner"), service.as_("school")
    referral = (await school.post("/v1/referrals", pupil_referral("SLT"))).headers["Location"]
    made = await commissioner.post("/v1/schools/900001/successor", ACADEMY)
    assert made.status_code == 201, made.text
    academy = made.json()
    assert (academy["urn"], academy["phase"], academy["cluster"]) == ("900060", "primary", "1")
    assert academy["opened_on"] == ACADEMY["on"]
    before = (await commissioner.get("/v1/schools/900001")).json()
    assert (before["status"], before["closed_on"], before["cluster"]) == ("closed", ACADEMY["on"], None)
    assert before["successor_id"] == academy["id"]
    for day, urns in (("2024-08-31", ["900001", "900002"]), ("2024-09-01", ["900060", "900002"])):
        members = (await school.get("/v1/clusters/1/schools", as_at=day)).json()["data"]
        assert {member["urn"] for member in members} == set(urns)
    assert (await school.get(referral)).json()["cluster"] == "1"
    assert (await commissioner.post("/v1/schools/900001/successor", ACADEMY | {"urn": "900061"})).status_code == 409
    joining = {"school": "900001", "valid_from": "2025-01-01"}
    assert (await commissioner.post("/v1/clusters/2/schools", joining)).status_code == 409


async def test_schools_are_found_by_cluster_phase_and_status(shared_service: Service) -> None:
    trust, cluster = shared_service.as_("trust"), shared_service.area().clusters["2"]
    for named in ("2", str(cluster)):
        found = (await trust.get("/v1/schools", cluster=named, phase="primary", status="open")).json()["data"]
        assert [school["urn"] for school in found] == ["900003", "900004"]
    assert (await trust.get("/v1/schools", status="closed")).json()["data"] == []
