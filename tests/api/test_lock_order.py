"""Every write beside every other one: none waits for a record in an order in which another could wait for it."""

import json
from asyncio import gather
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import asyncpg
import httpx2
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.pending_work import do_all
from support.referral_steps import ACCEPTED, line, load, referred, session

UNDO = """
create function undo() returns trigger language plpgsql as
$$ begin raise exception 'undone' using errcode = 'unique_violation'; end $$;
create constraint trigger undo after insert on audit_event deferrable initially deferred
for each row when (new.status < 300) execute function undo();
"""
"""Undoes every write at its very end, when it has all of its locks: each call finds what the first one did."""

PUPIL = {"upn": None, "nhs_number": "9990000026"}
RETURN = {
    "sla_id": "SLA-OUTREACH",
    "period": {"from": "2025-05-01", "to": "2025-08-31"},
    "volumes": {"sessions": 38, "pupils": 14, "schools": 4},
    "cost_pence": 1_972_603,
    "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
}
DRAFT = {
    "code": "SLA-DRAFT",
    "starts_on": "2026-09-01",
    "ends_on": "2027-08-31",
    "cadence": "termly",
    "clusters": ["1"],
    "terms": {"sessions": 360, "pupils": 90, "schools": 12, "price_pence": 4_500_000},
    "kpis": [{"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 80}],
}
OUTCOME = {"instrument": "TOMs", "domain": "activity", "n": 1, "baseline": {"on": "2024-01-01", "value": 1}}


@dataclass(frozen=True)
class Written:
    """A write, which can be repeated."""

    name: str
    call: Callable[[], Awaitable[httpx2.Response]]


async def made(caller: Caller, path: str, body: Any, etag: str | None = None) -> dict[str, Any]:
    answer = await caller.post(path, body, etag=etag)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


async def every_write(service: Service) -> list[Written]:
    """The writes that share records, in the dataset as it is once all that they change is there."""
    area = service.area()
    commissioner, school, trust, charity = (service.as_(key) for key in ("commissioner", "school", "trust", "charity"))
    referral = await referred(service, *ACCEPTED)
    new = await made(school, "/v1/referrals", pupil_referral("SLT", **PUPIL))
    neighbour, moved = service.as_("neighbour"), pupil_referral("SLT", **PUPIL)["subject"]["pupil"]
    asked = await made(neighbour, "/v1/handovers", {"school_urn": "900002", "pupil": moved})
    await do_all(service)
    request = (await school.get("/v1/handover-requests")).json()["data"][0]["id"]
    membership = (await commissioner.get("/v1/cluster-memberships", school="900001")).json()["data"][0]["id"]
    role = await made(
        commissioner, "/v1/clusters/1/roles", {"role": "board_chair", "holder": "A. Reed", "valid_from": "2021-01-01"}
    )
    await made(commissioner, "/v1/schools", {"urn": "900050", "name": "Alder School"})
    unnamed = await made(commissioner, "/v1/schools", {"name": "Birch School"})
    await made(commissioner, "/v1/clusters", {"code": "3", "name": "Cluster 3"})
    draft = DRAFT | {"service_id": "SLT", "provider_id": str(area.providers["trust"])}
    await made(commissioner, "/v1/slas", draft)
    spring = RETURN | {"period": {"from": "2025-01-01", "to": "2025-04-30"}}
    back = await made(charity, "/v1/impact-returns", spring)
    path = f"/v1/impact-returns/{back['id']}"
    await made(commissioner, f"{path}/transitions", {"to": "returned", "reason": "Cost."}, etag='"1"')

    def post(caller: Caller, path: str, body: Any, version: int | None = None) -> Written:
        etag = f'"{version}"' if version else None
        return Written(f"POST {path} {json.dumps(body)[:60]}", lambda: caller.post(path, body, etag=etag))

    def patch(caller: Caller, path: str, body: Any, version: int = 1) -> Written:
        return Written(f"PATCH {path} {json.dumps(body)[:60]}", lambda: caller.patch(path, body, f'"{version}"'))

    core = {"code": "PLAY", "name": "Play", "area_of_need": "SEMH", "offer": "core"}
    halves = [{"code": code, "name": code, "schools": [urn]} for code, urn in (("x", "900001"), ("y", "900002"))]
    terms = {"terms": DRAFT["terms"], "valid_from": "2026-09-01"}
    return [
        patch(commissioner, "/v1/areas/999", {"name": "Wendshire"}),
        post(commissioner, "/v1/clusters", {"code": "x", "name": "Cluster X"}),
        patch(commissioner, "/v1/clusters/1", {"note": "By the river."}),
        post(commissioner, "/v1/clusters/1/schools", {"school": "900050", "valid_from": "2024-09-01"}),
        patch(commissioner, f"/v1/cluster-memberships/{membership}", {"valid_to": "2030-09-01"}),
        post(
            commissioner,
            "/v1/clusters/1/roles",
            {"role": "lead_senco", "holder": "B. Reed", "valid_from": "2021-01-01", "school": "900001"},
        ),
        patch(commissioner, f"/v1/cluster-roles/{role['id']}", {"valid_to": "2030-01-01"}),
        post(
            commissioner,
            "/v1/clusters/merge",
            {"clusters": ["2", "1"], "into": {"code": "12", "name": "Both"}, "on": "2035-09-01"},
        ),
        post(commissioner, "/v1/clusters/1/split", {"into": halves, "on": "2035-09-01"}),
        post(
            commissioner, "/v1/schools/900001/successor", {"urn": "900060", "name": "Alder Academy", "on": "2025-09-01"}
        ),
        patch(commissioner, "/v1/schools/900001", {"name": "Ash School"}),
        patch(commissioner, f"/v1/schools/{unnamed['id']}", {"urn": "900060"}),
        patch(commissioner, f"/v1/providers/{area.providers['second_trust']}", {"name": "Moorside Trust"}),
        post(commissioner, "/v1/services", core),
        patch(commissioner, "/v1/services/SLT", {"provider": str(area.providers["second_trust"])}),
        patch(commissioner, "/v1/services/SLT", {"clusters": ["1", "2", "3"]}),
        patch(commissioner, "/v1/services/OT", {"clusters": ["3", "2", "1"]}),
        post(commissioner, "/v1/services/OT/promotion", {"evidence": "It helped."}),
        post(commissioner, "/v1/slas", draft | {"code": "SLA-NEW"}),
        patch(commissioner, "/v1/slas/SLA-DRAFT", {"code": "SLA-NEW", "clusters": ["2", "1"]}),
        patch(commissioner, "/v1/slas/SLA-OUTREACH", terms),
        post(commissioner, "/v1/slas/SLA-DRAFT/transitions", {"to": "agreed"}, 1),
        post(school, "/v1/referrals", pupil_referral("OUTREACH")),
        post(school, "/v1/referrals", pupil_referral("OUTREACH", **PUPIL)),
        patch(school, f"/v1/referrals/{new['id']}", {"priority": "soon"}),
        post(trust, f"/v1/referrals/{referral['id']}/transitions", {"to": "waiting"}, 2),
        post(trust, f"/v1/referrals/{referral['id']}/contacts", session(reference="A")),
        post(trust, f"/v1/referrals/{referral['id']}/outcomes", OUTCOME),
        Written("a load", lambda: load(trust, [line(referral, at) for at in "AB"])),
        post(neighbour, "/v1/handovers", {"school_urn": "900002", "pupil": {**moved, "nhs_number": "9990000034"}}),
        post(neighbour, f"/v1/handovers/{asked['id']}/transitions", {"to": "withdrawn"}, 1),
        post(school, f"/v1/handovers/{request}/decisions", {"decision": "complete"}, 1),
        post(charity, "/v1/impact-returns", RETURN),
        patch(charity, path, {"cost_pence": 1}, 2),
        post(charity, f"{path}/transitions", {"to": "submitted"}, 2),
    ]


def ends_of(pair: tuple[Written, Written]) -> set[tuple[int, str]]:
    """Return how two writes may end: undone, except that a client may not load twice at once."""
    twice = {(409, "bulk_import_still_running")} if [write.name for write in pair] == ["a load"] * 2 else set()
    return {(409, "already_exists")} | twice


async def test_no_two_writes_end_in_a_deadlock(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    writes = await every_write(service)
    admin = await asyncpg.connect(service.superuser_url)
    await admin.execute(UNDO)
    await admin.close()
    refused, deadlocked = [], []
    for pair in combinations_with_replacement(writes, 2):
        caplog.clear()
        answers = await gather(*(write.call() for write in pair))
        refused += [
            (write.name, answer.status_code, answer.text)
            for write, answer in zip(pair, answers, strict=True)
            if (answer.status_code, answer.json()["code"]) not in ends_of(pair)
        ]
        if "deadlock" in caplog.text:
            deadlocked.append(" beside ".join(write.name for write in pair))
    assert deadlocked == []
    assert refused == []
