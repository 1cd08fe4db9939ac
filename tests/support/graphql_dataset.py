"""A rich dataset that no test changes: cases and contracts of every kind and state, and clients of several areas."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg
from support.api_client import Caller, Service, pupil_referral
from support.clients import add_client, owner_session
from support.graphql_reference import LISTS, Record, Rest
from support.records import make_records

from convenor.domain_types.dates import today
from convenor.security.principal import Grant, Role, RowAccess

AREAS = ("wendshire", "fenmark")

WHOLE = ("commissioner", "identifying_commissioner", "auditor")
"""Those who between them read every list."""


@dataclass
class GraphDataset:
    """The dataset, who calls, and what there is."""

    service: Service
    callers: dict[str, Caller] = field(default_factory=dict)
    """By `key@area`; of several areas or schools by a name of their own."""
    records: dict[str, list[Record]] = field(default_factory=dict)
    """All records of both areas that a list of the root gives, by its name there."""

    def area_of(self, who: str) -> str:
        """Return the id of the area that a caller works in, or of the first of them."""
        name = who.partition("@")[2] or AREAS[0]
        return str(self.service.area(name).id)


async def build_graph_dataset(service: Service) -> GraphDataset:
    """Make the records and the clients."""
    await make_records(service)
    for area in AREAS:
        await _make_cases(service, area)
        await _make_returns(service, area)
        await _make_places(service, area)
    found = GraphDataset(service)
    for area in AREAS:
        found.callers |= {f"{key}@{area}": service.as_(key, area) for key in service.area(area).clients}
    found.callers["operator"] = service.as_("operator")
    found.callers |= await _clients_of_several(service)
    for name, path in LISTS.items():
        found.records[name] = []
        for area in AREAS:
            for key in WHOLE:
                caller = found.callers[f"{key}@{area}"]
                if (await caller.get(path)).status_code == 200:
                    found.records[name] += await Rest(caller).all(path, _ORDERS.get(name, "id"))
                    break
    return found


_ORDERS = dict.fromkeys(["clusters", "services", "slas", "pathways"], "code") | {
    **dict.fromkeys(["schools", "providers"], "name"),
    "areas": "la_code",
    "networks": "number",
    "benchmarks": "indicator",
    "referrals": "submitted_at",
    "contacts": "on",
    "outcomes": "recorded_at",
    "impactReturns": "submitted_at",
    "pupilMatches": "found_at",
    "handovers": "asked_at",
    "handoverRequests": "asked_at",
    "auditEvents": "at",
}


async def _made(caller: Caller, path: str, body: Record) -> str:
    answer = await caller.post(path, body)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"]) if "Location" in answer.headers else ""


async def _step(caller: Caller, path: str, to: str) -> None:
    etag = (await caller.get(path)).headers["ETag"]
    answer = await caller.post(f"{path}/transitions", {"to": to, "reason": "As Robin's mother agreed."}, etag=etag)
    assert answer.status_code == 201, answer.text


async def _make_cases(service: Service, area: str) -> None:
    urns, day = list(service.area(area).schools), today().isoformat()
    school, far, neighbour = (service.as_(key, area) for key in ("school", "far_school", "neighbour"))
    trust, charity = service.as_("trust", area), service.as_("charity", area)
    consent = {"basis": "consent", "given_by": "parent_or_carer", "on": day}
    known = pupil_referral("SLT", urns[0]) | {"consent": consent, "priority": "urgent"}
    waiting = await _made(school, "/v1/referrals", known)
    for to in ("accepted", "waiting"):
        await _step(trust, waiting, to)
    contact: dict[str, Any] = {
        "on": day,
        "mode": "face_to_face",
        "setting": "school",
        "duration_minutes": 30,
        "attendance": "did_not_attend",
        "staff_role": "speech_and_language_therapist",
    }
    for attendance in ("did_not_attend", "attended", "cancelled_by_family"):
        await _made(trust, f"{waiting}/contacts", contact | {"attendance": attendance})
    measured = {"on": day, "value": 2.5}
    outcome = {"instrument": "Boxall", "domain": "diagnostic_profile", "baseline": measured, "later": measured}
    await _made(trust, f"{waiting}/outcomes", outcome)
    group = {"kind": "group", "group": {"size": 6, "year_groups": ["R", "1"], "description": "Six who stammer."}}
    of_group = await _made(far, "/v1/referrals", pupil_referral("OUTREACH", urns[2]) | {"subject": group})
    await _step(charity, of_group, "declined")
    whole = pupil_referral("OUTREACH", urns[1]) | {"subject": {"kind": "school"}, "need": "SEMH", "priority": "soon"}
    await _made(neighbour, "/v1/referrals", whole)
    returned = await _made(far, "/v1/referrals", pupil_referral("SLT", urns[2], upn=None, nhs_number="9990000026"))
    await _step(trust, returned, "returned")
    traced = await trust.put(f"{returned}/nhs-number", {"nhs_number": "9990000034"}, "*")
    assert traced.status_code == 200, traced.text
    unnumbered = pupil_referral("SLT", urns[0], upn=None, nhs_number=None, family_name=None)
    withdrawn = await _made(school, "/v1/referrals", unnumbered)
    await _step(school, withdrawn, "withdrawn")


async def _make_returns(service: Service, area: str) -> None:
    charity, commissioner = service.as_("charity", area), service.as_("commissioner", area)
    for months, steps in {
        ("2024-01-01", "2024-04-30"): ("validated", "accepted"),
        ("2024-05-01", "2024-08-31"): ("returned",),
        ("2024-09-01", "2024-12-31"): ("validated",),
        ("2025-01-01", "2025-04-30"): (),
    }.items():
        report = {
            "sla_id": "SLA-OUTREACH",
            "period": {"from": months[0], "to": months[1]},
            "volumes": {"sessions": 38, "pupils": 14, "schools": 4},
            "cost_pence": 1_972_603,
            "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
            "narrative": "Robin Ashgrove now speaks in class.",
        }
        path = await _made(charity, "/v1/impact-returns", report)
        for to in steps:
            await _step(commissioner, path, to)


async def _make_places(service: Service, area: str) -> None:
    """Make what the directory does not often hold: names beyond ASCII, a service nobody buys, an end."""
    commissioner = service.as_("commissioner", area)
    urn = str(int(next(iter(service.area(area).schools))) + 50)
    await _made(commissioner, "/v1/schools", {"urn": urn, "name": "École Sainte-Anne", "phase": "secondary"})
    unbought = {"code": "MUSIC", "name": "Music", "area_of_need": "SEMH", "offer": "local"}
    await _made(commissioner, "/v1/services", unbought)
    await _made(commissioner, "/v1/clusters", {"code": "3", "name": "Cluster 3", "valid_from": "2030-01-01"})
    connection = await asyncpg.connect(service.superuser_url)
    await connection.execute(
        "insert into practice (area_id, network_id, name)"
        " select area_id, id, name || ' Surgery ' || n from network, generate_series(1, 2) n"
        " where area_id = $1",
        service.area(area).id,
    )
    await connection.close()


async def _clients_of_several(service: Service) -> dict[str, Caller]:
    areas = [service.area(name) for name in AREAS]
    schools = list(areas[0].schools.values())
    wholes = [Grant(area.id, RowAccess.AREA, area.id) for area in areas]
    return {
        "two schools": await _client(
            service,
            "two-schools",
            Role.SCHOOL_MIS,
            [Grant(areas[0].id, RowAccess.SCHOOL, schools[at]) for at in (0, 2)],
        ),
        "trust of two": await _client(
            service,
            "trust-of-two",
            Role.HEALTH_SYSTEM,
            [Grant(area.id, RowAccess.PROVIDER, area.providers["trust"]) for area in areas],
        ),
        "charity of two": await _client(
            service,
            "charity-of-two",
            Role.PROVIDER_PORTAL,
            [Grant(area.id, RowAccess.PROVIDER, area.providers["charity"]) for area in areas],
        ),
        "lead of two": await _client(
            service,
            "lead-of-two",
            Role.CLUSTER_LEAD,
            [Grant(area.id, RowAccess.CLUSTER, area.clusters["1"]) for area in areas],
        ),
        "commissioner of two": await _client(service, "commissioner-of-two", Role.COMMISSIONER, wholes),
        "auditor of two": await _client(service, "auditor-of-two", Role.AUDITOR, wholes),
    }


async def _client(service: Service, client_id: str, role: Role, grants: list[Grant]) -> Caller:
    async with owner_session(service.superuser_url) as session:
        client = await add_client(session, role, grants, client_id=client_id)
    return Caller(service.http, client)
