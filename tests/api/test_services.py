"""Commissioned services over REST: what may be offered, by whom and to whom, and how a service becomes core."""

from support.api_client import Service, pupil_referral

from convenor.domain_types.dates import today

PLAY = {"code": "PLAY", "name": "Play therapy", "area_of_need": "SEMH", "offer": "local"}
EVIDENCE = {"evidence": "Boxall profiles rose in nine schools of ten over two years."}


async def test_nobody_but_the_central_team_changes_services(shared_service: Service) -> None:
    for key in ("school", "trust", "charity", "cluster_lead", "finance"):
        caller = shared_service.as_(key)
        assert (await caller.post("/v1/services", {})).json()["scope"] == "services:write"
        assert (await caller.post("/v1/services/OT/promotion", {})).json()["scope"] == "services:write"
        assert (await caller.patch("/v1/services/OT", {"name": "Ours"}, '"1"')).status_code == 403


async def test_another_area_s_service_reads_as_absent(shared_service: Service) -> None:
    commissioner, foreign = shared_service.as_("commissioner"), shared_service.area("fenmark").services["OT"]
    assert (await commissioner.get(f"/v1/services/{foreign}")).status_code == 404
    assert (await commissioner.patch(f"/v1/services/{foreign}", {"name": "Ours"}, '"1"')).status_code == 404
    assert (await commissioner.post(f"/v1/services/{foreign}/promotion", EVIDENCE)).status_code == 404


async def test_every_reference_of_a_service_that_does_not_hold_is_named_at_once(service: Service) -> None:
    commissioner, foreign = service.as_("commissioner"), service.area("fenmark")
    body = PLAY | {
        "provider": str(foreign.providers["trust"]),
        "clusters": ["1", str(foreign.clusters["1"]), "7"],
        "valid_from": "2024-09-01",
        "valid_to": "2024-08-31",
    }
    refused = await commissioner.post("/v1/services", body)
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} == {
        ("/provider", "not_found"),
        ("/clusters/1", "not_found"),
        ("/clusters/2", "not_found"),
        ("/valid_to", "before_start"),
    }
    changes = {"provider": str(foreign.providers["trust"]), "clusters": ["7"], "valid_from": "2024-09-01"}
    refused = await commissioner.patch("/v1/services/OT", changes, '"1"')
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {"/provider", "/clusters/0"}
    assert (await commissioner.get("/v1/services/PLAY")).status_code == 404


async def test_a_cluster_that_has_ended_buys_nothing_new(service: Service) -> None:
    commissioner = service.as_("commissioner")
    merger = {"clusters": ["1", "2"], "into": {"code": "12", "name": "Both"}, "on": "2024-09-01"}
    assert (await commissioner.post("/v1/clusters/merge", merger)).status_code == 201
    refused = await commissioner.post("/v1/services", PLAY | {"clusters": ["1"]})
    assert [fault["code"] for fault in refused.json()["errors"]] == ["ended"]


async def test_a_core_service_is_not_promoted_again(service: Service) -> None:
    commissioner = service.as_("commissioner")
    assert (await commissioner.post("/v1/services/SLT/promotion", EVIDENCE)).status_code == 409
    stale = await commissioner.post("/v1/services/OT/promotion", EVIDENCE, etag='"7"')
    assert stale.status_code == 412
    nothing = await commissioner.post("/v1/services/OT/promotion", {})
    assert [fault["pointer"] for fault in nothing.json()["errors"]] == ["/evidence"]


async def test_a_promoted_service_is_bought_by_every_cluster(service: Service) -> None:
    commissioner = service.as_("commissioner")
    promoted = await commissioner.post("/v1/services/OT/promotion", EVIDENCE, key="promote")
    assert promoted.status_code == 201, promoted.text
    shown = promoted.json()
    assert (shown["offer"], shown["clusters"], shown["promoted_on"]) == ("core", ["1", "2"], today().isoformat())
    assert shown["promotion_evidence"] == EVIDENCE["evidence"]
    again = await commissioner.post("/v1/services/OT/promotion", EVIDENCE, key="promote")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert (
        await service.as_("far_school").post("/v1/referrals", pupil_referral("OT", urn="900003"))
    ).status_code == 201


async def test_a_service_is_offered_to_the_clusters_that_buy_it(service: Service) -> None:
    commissioner = service.as_("commissioner")
    body = PLAY | {"provider": "RW1", "clusters": ["2"], "capacity": {"places": 12, "confirmed_on": "2025-09-01"}}
    made = await commissioner.post("/v1/services", body)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["clusters"], shown["provider"]["name"]) == (["2"], "Wend Valley NHS Trust")
    assert (shown["capacity"]["places"], shown["capacity"]["in_use"]) == (12, 0)
    assert "PLAY" not in [
        offered["code"] for offered in (await service.as_("school").get("/v1/services")).json()["data"]
    ]
    own = (await service.as_("far_school").get("/v1/services")).json()["data"]
    assert "PLAY" in [offered["code"] for offered in own]
    core = await commissioner.post("/v1/services", PLAY | {"code": "ADVICE", "offer": "core"})
    assert (core.json()["clusters"], core.json()["provider"]) == (["1", "2"], None)


async def test_clusters_stop_buying_and_buy_again_and_what_was_is_kept(service: Service) -> None:
    commissioner = service.as_("commissioner")
    stopped = await commissioner.patch("/v1/services/SLT", {"clusters": ["2"], "capacity": {"places": 9}}, '"1"')
    assert stopped.status_code == 200, stopped.text
    assert (stopped.json()["clusters"], stopped.json()["capacity"]["places"]) == (["2"], 9)
    assert (await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))).status_code == 422
    resumed = await commissioner.patch("/v1/services/SLT", {"clusters": ["1", "2"]}, '"2"')
    assert resumed.json()["clusters"] == ["1", "2"]
    at_once = await commissioner.patch("/v1/services/SLT", {"clusters": ["2"]}, '"3"')
    assert at_once.status_code == 409


async def test_another_provider_takes_the_referrals_over(service: Service) -> None:
    commissioner, trust, second = (service.as_(key) for key in ("commissioner", "trust", "second_trust"))
    path = (await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))).headers["Location"]
    assert ((await trust.get(path)).status_code, (await second.get(path)).status_code) == (200, 404)
    emptied = await commissioner.patch("/v1/services/SLT", {"provider": None}, '"1"')
    assert [fault["code"] for fault in emptied.json()["errors"]] == ["required"]
    moved = await commissioner.patch("/v1/services/SLT", {"provider": "RW2"}, '"1"')
    assert moved.status_code == 200, moved.text
    assert ((await trust.get(path)).status_code, (await second.get(path)).status_code) == (404, 200)
    assert (await second.get(f"{path}/transitions")).json()["data"][0]["to"] == "submitted"


async def test_services_are_found_by_need_offer_and_cluster(shared_service: Service) -> None:
    board, cluster = shared_service.as_("board"), shared_service.area().clusters["2"]
    for named in ("2", str(cluster)):
        found = (await board.get("/v1/services", cluster=named)).json()["data"]
        assert [offered["code"] for offered in found] == ["OUTREACH", "SLT"]
    assert [offered["code"] for offered in (await board.get("/v1/services", offer="core")).json()["data"]] == ["SLT"]
