"""Records of every kind in both areas of the dataset, made as partners make them, and who may see which.

The truth is written down here by hand and apart from the code under test: a table of tables, each with the kind of its
rows and the select that says whose they are.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
from support.api_client import Service, pupil_referral
from support.dataset import Dataset
from support.pending_work import do_all

from convenor.domain_types.dates import today
from convenor.security.principal import Role

DIRECTORY, CASES, CONTRACTS, EVENTS, MATCHES, COMMON = "directory", "cases", "contracts", "events", "matches", "common"
HANDOVERS = "handovers"

OWN = "select area_id, id, school_id, provider_id, null::uuid as sla_id from {table}"
PLAIN = "select area_id, id, null::uuid as school_id, null::uuid as provider_id, null::uuid as sla_id from {table}"
OF_SLA = (
    "select t.area_id, t.id, null::uuid as school_id, s.provider_id, t.sla_id as sla_id from {table} t"
    " join sla s on s.area_id = t.area_id and s.id = t.sla_id"
)
OF_RETURN = (
    "select t.area_id, t.id, null::uuid as school_id, t.provider_id, r.sla_id from {table} t"
    " join impact_return r on r.area_id = t.area_id and r.id = t.{return}"
)

TRUTH: dict[str, tuple[str, str]] = {
    "area": (DIRECTORY, PLAIN.replace("area_id, id", "area_id, area_id as id")),
    "cluster": (DIRECTORY, PLAIN),
    "cluster_membership": (DIRECTORY, PLAIN),
    "cluster_school": (DIRECTORY, PLAIN),
    "cluster_role": (DIRECTORY, PLAIN),
    "school": (DIRECTORY, PLAIN),
    "provider": (DIRECTORY, PLAIN),
    "commissioned_service": (DIRECTORY, PLAIN),
    "network": (DIRECTORY, PLAIN),
    "benchmark": (DIRECTORY, PLAIN),
    "current_pathway": (
        COMMON,
        PLAIN.replace("area_id, id", "null::uuid as area_id, id"),
    ),
    "referral": (CASES, OWN),
    "referral_transition": (CASES, OWN),
    "contact": (CASES, OWN),
    "outcome": (CASES, OWN),
    "handover": (HANDOVERS, OWN.replace("provider_id", "null::uuid as provider_id")),
    "handover_request": (HANDOVERS, OWN.replace("provider_id", "null::uuid as provider_id")),
    "pupil_match": (MATCHES, PLAIN),
    "pupil_decision": (MATCHES, PLAIN),
    "sla": (CONTRACTS, OF_SLA.replace("t.sla_id", "t.id")),
    "sla_transition": (CONTRACTS, OF_SLA),
    "impact_return": (CONTRACTS, OF_RETURN.replace("{return}", "id")),
    "impact_return_transition": (CONTRACTS, OF_RETURN.replace("{return}", "impact_return_id")),
    "audit_event": (EVENTS, PLAIN),
}

SEES_CASES = {Role.SCHOOL_MIS: "school_id", Role.HEALTH_SYSTEM: "provider_id", Role.PROVIDER_PORTAL: "provider_id"}
SEES_ALL_CASES = {Role.COMMISSIONER}
SEES_OWN_CONTRACTS = {Role.HEALTH_SYSTEM, Role.PROVIDER_PORTAL}
SEES_ALL_CONTRACTS = {Role.COMMISSIONER, Role.FINANCE}
FAR = "SLA-FAR"
"""The one SLA that does not serve cluster 1, which the cluster lead leads."""


@dataclass(frozen=True)
class Record:
    """One row, and whose it is."""

    area_id: UUID | None
    id: UUID
    school_id: UUID | None
    provider_id: UUID | None
    sla_id: UUID | None
    serves_cluster_1: bool = False


@dataclass(frozen=True)
class Person:
    """A client of the dataset, and what it stands for."""

    key: str
    area: str
    area_id: UUID | None
    role: Role
    stands_for: UUID | None
    scopes: frozenset[str]


def people(dataset: Dataset) -> list[Person]:
    """Return every client of both areas, and the operator."""
    found = [Person("operator", "wendshire", None, Role.OPERATOR, None, dataset.operator.scopes)]
    for name in ("wendshire", "fenmark"):
        area = getattr(dataset, name)
        schools = list(area.schools.values())
        stands_for = {"school": schools[0], "neighbour": schools[1], "far_school": schools[2], **area.providers}
        for key, client in area.clients.items():
            found.append(Person(key, name, area.id, client.role, stands_for.get(key), client.scopes))
    return found


async def truth_of(superuser_url: str) -> dict[str, list[Record]]:
    """Return every record there is, by table."""
    connection = await asyncpg.connect(superuser_url)
    try:
        far = {row[0] for row in await connection.fetch("select id from sla where code = $1", FAR)}
        return {
            table: [
                Record(**dict(row), serves_cluster_1=row["sla_id"] not in far)
                for row in await connection.fetch(select.replace("{table}", table))
            ]
            for table, (_, select) in TRUTH.items()
        }
    finally:
        await connection.close()


def may_see(person: Person, table: str, record: Record) -> bool:
    """Say whether a record is shared with somebody, as the programme has it."""
    kind = TRUTH[table][0]
    if kind == COMMON or (table == "area" and person.role is Role.OPERATOR):
        return True
    if person.area_id != record.area_id:
        return False
    if kind == CASES:
        if person.role in SEES_CASES:
            return bool(getattr(record, SEES_CASES[person.role]) == person.stands_for)
        return person.role in SEES_ALL_CASES
    if kind == HANDOVERS:
        if person.role is Role.SCHOOL_MIS:
            return record.school_id == person.stands_for
        return person.role is Role.COMMISSIONER
    if kind == CONTRACTS:
        if person.role in SEES_OWN_CONTRACTS:
            return record.provider_id == person.stands_for
        return person.role in SEES_ALL_CONTRACTS or (person.role is Role.CLUSTER_LEAD and record.serves_cluster_1)
    if kind == MATCHES:
        return person.role is Role.COMMISSIONER
    return person.role is Role.AUDITOR if kind == EVENTS else True


async def make_records(service: Service) -> None:
    """Make records of every kind in both areas, over REST wherever there is a way."""
    for area in ("wendshire", "fenmark"):
        await _make_cases(service, area)
        await _make_match(service, area)
        await _make_handovers(service, area)
        await _make_contracts(service, area)
        commissioner = service.as_("commissioner", area)
        role = {"role": "lead_senco", "holder": "Rowan Fell", "valid_from": "2024-09-01"}
        assert (await commissioner.post("/v1/clusters/1/roles", role)).status_code == 201
    await _make_reference_rows(service)


async def _make_cases(service: Service, area: str) -> None:
    urns = list(service.area(area).schools)
    for at, (maker, urn, code, worker) in enumerate(
        [
            ("school", urns[0], "SLT", "trust"),
            ("far_school", urns[2], "SLT", "trust"),
            ("school", urns[0], "OUTREACH", "charity"),
            ("neighbour", urns[1], "OT", "second_trust"),
        ]
    ):
        body = pupil_referral(code, urn, upn=None, nhs_number=None, family_name=f"Ashgrove {at}")
        made = await service.as_(maker, area).post("/v1/referrals", body)
        assert made.status_code == 201, made.text
        path, work = f"/v1/referrals/{made.json()['id']}", service.as_(worker, area)
        assert (await work.post(f"{path}/transitions", {"to": "accepted"}, etag='"1"')).status_code == 201
        contact = {
            "on": str(today()),
            "mode": "video",
            "setting": "school",
            "reference": f"EPR-{at}",
            "duration_minutes": 45,
            "attendance": "attended",
            "staff_role": "assistant",
        }
        added = await work.post(f"{path}/contacts", contact)
        assert added.status_code == 201, added.text
        outcome = {"instrument": "TOMs", "domain": "activity", "baseline": {"on": str(today()), "value": 2}}
        measured = await work.post(f"{path}/outcomes", outcome)
        assert measured.status_code == 201, measured.text


async def _make_match(service: Service, area: str) -> None:
    """Make a match with a decision, of pupils who share a number and differ in their date of birth."""
    urns = list(service.area(area).schools)
    for maker, urn, day in (("school", urns[0], "2016-05-04"), ("far_school", urns[2], "2015-03-02")):
        child = {"upn": "P80320002601A", "nhs_number": None, "date_of_birth": day, "family_name": "Elm"}
        made = await service.as_(maker, area).post("/v1/referrals", pupil_referral("OUTREACH", urn, **child))
        assert made.status_code == 201, made.text
    await do_all(service)
    commissioner = service.as_("identifying_commissioner", area)
    (match,) = (await commissioner.get("/v1/pupil-matches")).json()["data"]
    decision = {"decision": "keep_apart", "reason": "Robin Elm is Rowan Elm's sister."}
    path = f"/v1/pupil-matches/{match['id']}"
    decided = await commissioner.post(f"{path}/decisions", decision, etag='"1"')
    assert decided.status_code == 201, decided.text


async def _make_handovers(service: Service, area: str) -> None:
    """Let a school ask for two pupils of another, which refuses one and hands the other over."""
    urns = list(service.area(area).schools)
    far, neighbour = service.as_("far_school", area), service.as_("neighbour", area)
    for upn, decision in (("Q801200005002", "refuse"), ("E801200005003", "complete")):
        child = {"upn": upn, "nhs_number": None, "given_name": f"Wren {decision}", "family_name": "Holt"}
        referral = pupil_referral("OUTREACH", urns[2], **child)
        made = await far.post("/v1/referrals", referral)
        assert made.status_code == 201, made.text
        stated = referral["subject"]["pupil"]
        body = {"school_urn": urns[1], "pupil": stated, "reason": "Wren stammers."}
        asked = await neighbour.post("/v1/handovers", body)
        assert asked.status_code == 201, asked.text
        await do_all(service)
        (request,) = (await far.get("/v1/handover-requests", handover=asked.json()["code"])).json()["data"]
        sent = {"decision": decision, "reason": "Wren left at Easter."}
        decided = await far.post(f"/v1/handovers/{request['id']}/decisions", sent, etag='"1"')
        assert decided.status_code == 201, decided.text


async def _make_contracts(service: Service, area: str) -> None:
    body = {
        "sla_id": "SLA-OUTREACH",
        "period": {"from": str(today() - timedelta(days=30)), "to": str(today() - timedelta(days=1))},
        "volumes": {"sessions": 10, "pupils": 4, "schools": 1},
        "cost_pence": 500_000,
        "measures": [{"kpi": "goals_met", "numerator": 3, "denominator": 4}],
        "narrative": "A good start.",
    }
    made = await service.as_("charity", area).post("/v1/impact-returns", body)
    assert made.status_code == 201, made.text
    commissioner = service.as_("commissioner", area)
    ended = await commissioner.post("/v1/slas/SLA-OT/transitions", {"to": "ended", "reason": "moved on"}, etag='"1"')
    assert ended.status_code == 201, ended.text
    far = {
        "code": FAR,
        "starts_on": "2026-09-01",
        "ends_on": "2027-08-31",
        "cadence": "termly",
        "service_id": "OUTREACH",
        "provider_id": str(service.area(area).providers["charity"]),
        "clusters": ["2"],
        "terms": {"sessions": 1, "pupils": 1, "schools": 1, "price_pence": 1},
        "kpis": [{"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 80}],
    }
    made = await commissioner.post("/v1/slas", far)
    assert made.status_code == 201, made.text
    agreed = await commissioner.post(f"/v1/slas/{FAR}/transitions", {"to": "agreed"}, etag='"1"')
    assert agreed.status_code == 201, agreed.text


async def _make_reference_rows(service: Service) -> None:
    connection = await asyncpg.connect(service.superuser_url)
    for area in (service.dataset.wendshire.id, service.dataset.fenmark.id):
        await connection.execute(
            "insert into network (area_id, id, number, name, integrated_care_area, is_pcn, version)"
            " values ($1, gen_random_uuid(), 1, 'Fell Side', 'West', true, 1)",
            area,
        )
        await connection.execute(
            "insert into benchmark (area_id, id, indicator, phase, period, geography, value, unit)"
            " values ($1, gen_random_uuid(), 'attendance', 'all', '2024/25', 'England', 93, 'percent')",
            area,
        )
    await connection.close()
