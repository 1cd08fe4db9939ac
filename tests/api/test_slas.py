"""What a commissioner, a provider and the others may do with service level agreements, over REST."""

from datetime import date
from typing import Any

import pytest
from support.api_client import Service

from convenor.domain_types.dates import today


def sla_draft(service: Service, **other: Any) -> dict[str, Any]:
    """A well-formed SLA between the charity and both clusters."""
    return {
        "code": "SLA-NEW",
        "service_id": "OUTREACH",
        "provider_id": str(service.area().providers["charity"]),
        "clusters": ["1", "2"],
        "starts_on": "2024-09-01",
        "ends_on": "2027-08-31",
        "cadence": "termly",
        "terms": {"sessions": 360, "pupils": 90, "schools": 12, "price_pence": 4_500_000},
        "kpis": [
            {"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 80},
            {"kpi": "dna", "name": "Did not attend", "unit": "percent", "target": 10, "direction": "at_most"},
        ],
    } | other


async def drafted(service: Service, **other: Any) -> str:
    made = await service.as_("commissioner").post("/v1/slas", sla_draft(service, **other))
    assert made.status_code == 201, made.text
    return str(made.headers["Location"])


async def step(service: Service, path: str, to: str, version: int) -> Any:
    return await service.as_("commissioner").post(f"{path}/transitions", {"to": to}, etag=f'"{version}"')


async def activated(service: Service, **other: Any) -> str:
    path = await drafted(service, **other)
    assert (await step(service, path, "agreed", 1)).status_code == 201
    assert (await step(service, path, "active", 2)).status_code == 201
    return path


def pointers(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {fault["pointer"] for fault in answer.json()["errors"]}


async def test_every_fault_of_shape_is_named_at_once_and_nothing_is_stored(service: Service) -> None:
    body = sla_draft(service, ends_on="2023-08-31", cadence="weekly", colour="blue")
    body["terms"] = {"sessions": -1, "pupils": 90, "schools": 12}
    body["kpis"] = [
        {"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 180},
        {"kpi": "goals_met", "name": "Goals met again", "unit": "percent", "target": 80},
    ]
    refused = await service.as_("commissioner").post("/v1/slas", body)
    assert pointers(refused) == {
        "/ends_on",
        "/cadence",
        "/colour",
        "/terms/sessions",
        "/terms/price_pence",
        "/kpis/0/target",
        "/kpis/1/kpi",
    }
    assert (await service.as_("commissioner").get("/v1/slas/SLA-NEW")).status_code == 404


async def test_every_fault_of_reference_is_named_at_once(service: Service) -> None:
    commissioner = service.as_("commissioner")
    elsewhere = str(service.area("fenmark").providers["charity"])
    body = sla_draft(service, service_id="NO-SUCH", provider_id=elsewhere, clusters=["1", "1", "99"])
    assert pointers(await commissioner.post("/v1/slas", body)) == {
        "/service_id",
        "/provider_id",
        "/clusters/1",
        "/clusters/2",
    }
    other = sla_draft(service, provider_id=str(service.area().providers["trust"]))
    refused = await commissioner.post("/v1/slas", other)
    assert [fault["code"] for fault in refused.json()["errors"]] == ["not_its_provider"]


async def test_a_code_is_taken_once(service: Service) -> None:
    await drafted(service)
    refused = await service.as_("commissioner").post("/v1/slas", sla_draft(service))
    assert (refused.status_code, refused.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize("key", ["charity", "trust", "cluster_lead", "finance", "board", "school", "auditor"])
async def test_only_a_commissioner_writes(shared_service: Service, key: str) -> None:
    caller = shared_service.as_(key)
    assert (await caller.post("/v1/slas", sla_draft(shared_service))).status_code == 403
    assert (await caller.patch("/v1/slas/SLA-OT", {"cadence": "yearly"}, '"1"')).status_code == 403
    assert (await caller.post("/v1/slas/SLA-OT/transitions", {"to": "ended"}, etag='"1"')).status_code == 403


@pytest.mark.parametrize("key", ["school", "board", "auditor"])
async def test_who_has_no_business_with_contracts_reads_none(shared_service: Service, key: str) -> None:
    for path in ("/v1/slas", "/v1/slas/SLA-OT", "/v1/slas/NO-SUCH"):
        assert (await shared_service.as_(key).get(path)).status_code == 403


async def test_another_provider_s_sla_reads_as_if_it_were_not_there(shared_service: Service) -> None:
    charity = shared_service.as_("charity")
    theirs = shared_service.area().slas["SLA-SLT"]
    for key in ("SLA-SLT", theirs, shared_service.area("fenmark").slas["SLA-OUTREACH"]):
        assert (await charity.get(f"/v1/slas/{key}")).status_code == 404
        assert (await charity.get(f"/v1/slas/{key}/transitions")).status_code == 404
    everything = (await charity.get("/v1/slas", count="true")).json()
    assert ([sla["code"] for sla in everything["data"]], everything["count"]) == (["SLA-OUTREACH"], 1)
    for name, value in (("service", "SLT"), ("provider", shared_service.area().providers["trust"])):
        assert (await charity.get("/v1/slas", **{name: value, "count": "true"})).json()["count"] == 0


async def test_another_area_s_sla_is_nobody_s_here(shared_service: Service) -> None:
    for key in ("commissioner", "finance", "cluster_lead"):
        caller = shared_service.as_(key)
        assert (await caller.get(f"/v1/slas/{shared_service.area('fenmark').slas['SLA-SLT']}")).status_code == 404
        assert {sla["id"] for sla in (await caller.get("/v1/slas")).json()["data"]} == {
            str(sla) for sla in shared_service.area().slas.values()
        }


async def test_a_draft_goes_on_step_by_step_and_an_illegal_step_names_the_legal_ones(service: Service) -> None:
    commissioner, path = service.as_("commissioner"), await drafted(service)
    unseen = await commissioner.call("POST", f"{path}/transitions", json={"to": "agreed"})
    assert unseen.status_code == 428
    illegal = await step(service, path, "active", 1)
    assert (illegal.status_code, illegal.json()["state"], illegal.json()["legal"]) == (409, "draft", ["agreed"])
    assert (await step(service, path, "agreed", 9)).status_code == 412
    agreed = await commissioner.post(f"{path}/transitions", {"to": "agreed", "reason": "Signed."}, etag='"1"')
    assert (agreed.status_code, agreed.json()["status"], agreed.json()["next"]) == (201, "agreed", ["active"])
    assert (await step(service, path, "active", 2)).json()["next"] == ["ended"]
    ended = (await step(service, path, "ended", 3)).json()
    assert (ended["status"], ended["next"]) == ("ended", [])
    assert ended["ends_on"] == str(min(today(), date(2027, 8, 31)))
    assert (await step(service, path, "active", 4)).json()["legal"] == []
    assert (await commissioner.patch(path, {"cadence": "yearly"}, '"4"')).status_code == 409

    history = (await commissioner.get(f"{path}/transitions")).json()["data"]
    assert [entry["to"] for entry in history] == ["draft", "agreed", "active", "ended"]
    assert all("reason" not in entry and entry["redacted"] == ["reason"] for entry in history)
    own = (await service.as_("charity").get(f"{path}/transitions")).json()["data"]
    assert [entry["reason"] for entry in own] == [None, "Signed.", None, None]


async def test_an_sla_reads_with_service_provider_clusters_terms_and_kpis(service: Service) -> None:
    path = await drafted(service)
    sla = (await service.as_("charity").get("/v1/slas/SLA-NEW")).json()
    assert path == f"/v1/slas/{sla['id']}"
    assert sla["service"] == {
        "id": str(service.area().services["OUTREACH"]),
        "code": "OUTREACH",
        "name": "The OUTREACH service",
    }
    assert sla["provider"] == {"id": str(service.area().providers["charity"]), "name": "Open Door Outreach"}
    assert (sla["clusters"], sla["status"], sla["returns_due"]) == (["1", "2"], "draft", [])
    assert sla["terms"] == {
        "sessions": 360,
        "pupils": 90,
        "schools": 12,
        "price_pence": 4_500_000,
        "number": 1,
        "valid_from": "2024-09-01",
        "valid_to": None,
    }
    assert sla["kpis"][0] == {
        "kpi": "dna",
        "name": "Did not attend",
        "unit": "percent",
        "target": 10,
        "direction": "at_most",
    }
    assert sla["versions"] == [sla["terms"] | {"kpis": sla["kpis"]}]


async def test_a_draft_is_edited_in_place(service: Service) -> None:
    commissioner, path = service.as_("commissioner"), await drafted(service)
    faulty = {"ends_on": "2024-01-01", "valid_from": "2025-01-01", "clusters": ["99"], "service_id": "OT"}
    refused = await commissioner.patch(path, faulty, '"1"')
    assert pointers(refused) == {"/ends_on", "/valid_from", "/clusters/0", "/provider_id"}
    assert pointers(await commissioner.patch(path, {"cadence": None}, '"1"')) == {"/cadence"}
    kpi = {"kpi": "reach", "name": "Schools reached", "unit": "count", "target": 10}
    change = {"starts_on": "2025-01-01", "clusters": ["2"], "kpis": [kpi], "cadence": "quarterly"}
    changed = await commissioner.patch(path, change, '"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    sla = changed.json()
    assert (sla["clusters"], sla["cadence"], [one["kpi"] for one in sla["kpis"]]) == (["2"], "quarterly", ["reach"])
    assert [(one["number"], one["valid_from"]) for one in sla["versions"]] == [(1, "2025-01-01")]
    back = (await commissioner.patch(path, {"clusters": ["1", "2"], "kpis": sla_draft(service)["kpis"]}, '"2"')).json()
    assert (back["clusters"], [one["kpi"] for one in back["kpis"]]) == (["1", "2"], ["dna", "goals_met"])


async def test_a_draft_moves_to_another_service_and_its_provider(service: Service) -> None:
    path, trust = await drafted(service), service.area().providers["trust"]
    change = {"service_id": "SLT", "provider_id": str(trust)}
    moved = (await service.as_("commissioner").patch(path, change, '"1"')).json()
    assert (moved["service"]["code"], moved["provider"]["id"]) == ("SLT", str(trust))
    assert (await service.as_("charity").get(path)).status_code == 404
    assert [one["to"] for one in (await service.as_("trust").get(f"{path}/transitions")).json()["data"]] == ["draft"]


async def test_once_agreed_new_terms_make_a_new_version_from_a_date(service: Service) -> None:
    commissioner, path = service.as_("commissioner"), await activated(service)
    fixed = await commissioner.patch(path, {"cadence": "yearly"}, '"3"')
    assert (fixed.status_code, fixed.json()["code"]) == (409, "state_conflict")
    terms = {"sessions": 720, "pupils": 90, "schools": 12, "price_pence": 9_000_000}
    assert pointers(await commissioner.patch(path, {"terms": terms}, '"3"')) == {"/valid_from"}
    for day in ("2024-09-01", "2028-01-01"):
        assert pointers(await commissioner.patch(path, {"terms": terms, "valid_from": day}, '"3"')) == {"/valid_from"}
    assert pointers(await commissioner.patch(path, {"valid_from": "2025-09-01"}, '"3"')) == {"/terms"}
    sla = (await commissioner.patch(path, {"terms": terms, "valid_from": "2025-09-01"}, '"3"')).json()
    assert [(one["number"], one["sessions"], one["valid_from"], one["valid_to"]) for one in sla["versions"]] == [
        (1, 360, "2024-09-01", "2025-09-01"),
        (2, 720, "2025-09-01", None),
    ]
    assert (sla["terms"]["number"], [one["kpi"] for one in sla["versions"][1]["kpis"]]) == (2, ["dna", "goals_met"])
    later = (await commissioner.patch(path, {"kpis": sla["kpis"][:1], "valid_from": "2027-08-31"}, '"4"')).json()
    assert [[one["kpi"] for one in version["kpis"]] for version in later["versions"]] == [
        ["dna", "goals_met"],
        ["dna", "goals_met"],
        ["dna"],
    ]


@pytest.mark.parametrize(
    ("cadence", "periods"),
    [
        ("monthly", [("2025-02-10", "2025-02-28"), ("2025-03-01", "2025-03-31"), ("2025-04-01", "2025-04-30")]),
        ("quarterly", [("2025-02-10", "2025-03-31"), ("2025-04-01", "2025-06-30"), ("2025-07-01", "2025-09-30")]),
        ("termly", [("2025-02-10", "2025-04-30"), ("2025-05-01", "2025-08-31"), ("2025-09-01", "2025-10-10")]),
        ("yearly", [("2025-02-10", "2025-08-31"), ("2025-09-01", "2025-10-10")]),
    ],
)
async def test_a_return_is_due_for_every_period_of_the_cadence_that_has_ended(
    service: Service, cadence: str, periods: list[tuple[str, str]]
) -> None:
    path = await activated(service, cadence=cadence, starts_on="2025-02-10", ends_on="2025-10-10")
    due = (await service.as_("charity").get(path)).json()["returns_due"]
    assert [(one["from"], one["to"]) for one in due][:3] == periods
    assert due[-1]["to"] == "2025-10-10"
    first = date.fromisoformat(due[0]["due_on"]) - date.fromisoformat(due[0]["to"])
    assert first.days == 28


async def test_a_period_that_has_not_ended_is_not_due(service: Service) -> None:
    path = await activated(service, cadence="monthly", starts_on="2024-09-01", ends_on="2099-12-31")
    due = (await service.as_("charity").get(path)).json()["returns_due"]
    day = today()
    assert date.fromisoformat(due[-1]["to"]) < day
    assert len(due) == (day.year - 2024) * 12 + day.month - 9


async def test_slas_are_found_by_each_filter(service: Service) -> None:
    await drafted(service, clusters=["2"], starts_on="2031-09-01", ends_on="2032-08-31")
    commissioner = service.as_("commissioner")

    async def codes(**filters: Any) -> list[str]:
        return [sla["code"] for sla in (await commissioner.get("/v1/slas", **filters)).json()["data"]]

    area = service.area()
    assert await codes(service="OUTREACH") == ["SLA-NEW", "SLA-OUTREACH"]
    assert await codes(service=area.services["OT"]) == ["SLA-OT"]
    assert await codes(provider=area.providers["trust"]) == ["SLA-SLT"]
    assert await codes(status="draft") == ["SLA-NEW"]
    assert await codes(cluster="2") == ["SLA-NEW", "SLA-OUTREACH", "SLA-SLT"]
    assert await codes(cluster=area.clusters["1"]) == ["SLA-OT", "SLA-OUTREACH", "SLA-SLT"]
    assert await codes(active_on="2031-10-01") == ["SLA-OT", "SLA-OUTREACH", "SLA-SLT"]
    assert await codes(active_on="2019-10-01") == []
    assert (await commissioner.get("/v1/slas", status="lapsed")).status_code == 422
