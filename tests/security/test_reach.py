"""Who sees what: every route, every role, every record, with both checks and with each check alone.

A route without a rule here fails the build.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from support.api_client import Caller, Service, pupil_referral
from support.databases import Server, serve
from support.dataset import Dataset
from support.records import TRUTH, Person, Record, make_records, may_see, people, truth_of

from convenor.http.read_routes import ReadRoute
from convenor.http.route_index import routes_of
from convenor.read_model import row_access
from convenor.read_model.plan import compile_plan
from convenor.security.principal import Role

NARROWED = {("commissioned_service", Role.SCHOOL_MIS), ("cluster_school", None)}
"""Lists that hold less than the caller may see unless they are asked for more."""

SCHOOL_BODY: dict[str, Any] = {"urn": "900555", "name": "Fell End School"}

WRITES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    # route: scope, the table of the record in its path, a body that is well formed
    "POST /v1/areas": ("areas:create", None, {"la_code": "995", "name": "Elsewhere"}),
    "PATCH /v1/areas/{area_id}": ("areas:write", "area", {"name": "Elsewhere"}),
    "POST /v1/clusters": ("clusters:write", None, {"code": "9", "name": "Cluster 9"}),
    "PATCH /v1/clusters/{cluster_id}": ("clusters:write", "cluster", {"note": "A note."}),
    "POST /v1/clusters/merge": (
        "clusters:write",
        None,
        {"clusters": ["{cluster}", "{cluster}"], "into": {"code": "9", "name": "Cluster 9"}, "on": "2026-01-01"},
    ),
    "POST /v1/clusters/{cluster_id}/split": (
        "clusters:write",
        "cluster",
        {
            "into": [
                {"code": "8", "name": "Cluster 8", "schools": ["{school}"]},
                {"code": "9", "name": "Cluster 9", "schools": []},
            ],
            "on": "2026-01-01",
        },
    ),
    "POST /v1/clusters/{cluster_id}/schools": (
        "clusters:write",
        "cluster",
        {"school": "{school}", "valid_from": "2026-01-01"},
    ),
    "POST /v1/clusters/{cluster_id}/roles": (
        "clusters:write",
        "cluster",
        {"role": "lead_senco", "holder": "Rowan Fell", "valid_from": "2026-01-01"},
    ),
    "PATCH /v1/cluster-memberships/{membership_id}": (
        "clusters:write",
        "cluster_membership",
        {"valid_to": "2026-01-01"},
    ),
    "PATCH /v1/cluster-roles/{role_id}": ("clusters:write", "cluster_role", {"valid_to": "2026-01-01"}),
    "POST /v1/schools": ("schools:write", None, SCHOOL_BODY),
    "PATCH /v1/schools/{urn}": ("schools:write", "school", {"name": "Fell End School"}),
    "POST /v1/schools/{urn}/successor": ("schools:write", "school", SCHOOL_BODY | {"on": "2026-01-01"}),
    "POST /v1/providers": ("providers:write", None, {"name": "Fell End Trust", "kind": "nhs"}),
    "PATCH /v1/providers/{provider_id}": ("providers:write", "provider", {"name": "Fell End Trust"}),
    "POST /v1/services": (
        "services:write",
        None,
        {"code": "NEW", "name": "New", "area_of_need": "SEMH", "offer": "local", "provider": "{provider}"},
    ),
    "PATCH /v1/services/{service_id}": ("services:write", "commissioned_service", {"setting": "Hall"}),
    "POST /v1/services/{service_id}/promotion": ("services:write", "commissioned_service", {"evidence": "It works."}),
    "POST /v1/slas": (
        "slas:write",
        None,
        {
            "code": "SLA-NEW",
            "starts_on": "2026-09-01",
            "ends_on": "2027-08-31",
            "cadence": "termly",
            "service_id": "{commissioned_service}",
            "provider_id": "{provider}",
            "clusters": ["{cluster}"],
            "terms": {"sessions": 1, "pupils": 1, "schools": 1, "price_pence": 1},
            "kpis": [{"kpi": "goals_met", "name": "Goals met", "unit": "percent", "target": 80}],
        },
    ),
    "PATCH /v1/slas/{sla_id}": ("slas:write", "sla", {"ends_on": "2034-08-31"}),
    "POST /v1/slas/{sla_id}/transitions": ("slas:write", "sla", {"to": "ended"}),
    "POST /v1/referrals": ("referrals:write", None, pupil_referral("{commissioned_service}", "900101")),
    "PATCH /v1/referrals/{referral_id}": ("referrals:write", "referral", {"priority": "urgent"}),
    "PUT /v1/referrals/{referral_id}/nhs-number": ("referrals:write", "referral", {"nhs_number": "9990000026"}),
    "POST /v1/referrals/{referral_id}/transitions": (
        "referrals:write",
        "referral",
        {"to": "withdrawn", "reason": "moved away"},
    ),
    "POST /v1/referrals/{referral_id}/contacts": (
        "contacts:write",
        "referral",
        {
            "on": "2026-01-20",
            "mode": "video",
            "setting": "school",
            "duration_minutes": 45,
            "attendance": "attended",
            "staff_role": "assistant",
        },
    ),
    "POST /v1/referrals/{referral_id}/outcomes": (
        "outcomes:write",
        "referral",
        {"instrument": "TOMs", "domain": "activity", "baseline": {"on": "2026-01-20", "value": 2}},
    ),
    "POST /v1/handovers": (
        "referrals:write",
        None,
        {"school_urn": "900101", "pupil": pupil_referral("SLT")["subject"]["pupil"]},
    ),
    "POST /v1/handovers/{handover_id}/transitions": ("referrals:write", "handover", {"to": "withdrawn"}),
    "POST /v1/handovers/{request_id}/decisions": (
        "handovers:decide",
        "handover_request",
        {"decision": "complete"},
    ),
    "POST /v1/pupil-matches/{match_id}/decisions": (
        "pupils:identify",
        "pupil_match",
        {"decision": "link", "reason": "It is one child."},
    ),
    "POST /v1/impact-returns": (
        "impact_returns:write",
        None,
        {
            "sla_id": "{sla}",
            "period": {"from": "2026-01-01", "to": "2026-04-30"},
            "volumes": {"sessions": 1, "pupils": 1, "schools": 1},
            "cost_pence": 1,
            "measures": [{"kpi": "goals_met", "numerator": 1, "denominator": 1}],
        },
    ),
    "PATCH /v1/impact-returns/{return_id}": ("impact_returns:write", "impact_return", {"cost_pence": 2}),
    "POST /v1/impact-returns/{return_id}/transitions": ("impact_returns:write", "impact_return", {"to": "validated"}),
}

ELSEWHERE = {
    # routes whose answers are no records: their own tests say what they may give away
    "GET /v1/me": None,
    "GET /v1/insights/referrals": "insights:read",
    "GET /v1/insights/waits": "insights:read",
    "POST /v1/bulk/contacts": "contacts:write",
}


@pytest.fixture(scope="module")
async def peopled(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    async with serve(server, dataset) as service:
        await make_records(service)
        yield service


def _name(route: Any) -> str:
    return f"{next(iter(route.methods - {'HEAD'}))} {route.path}"


def _partner_routes(service: Service) -> list[Any]:
    return [route for route in routes_of(service.app) if route.path.startswith("/v1/")]


def _reads(service: Service) -> list[ReadRoute]:
    return [route for route in _partner_routes(service) if isinstance(route, ReadRoute)]


def test_every_route_has_a_rule(shared_service: Service) -> None:
    for route in _partner_routes(shared_service):
        if isinstance(route, ReadRoute):
            assert route.reading.resource.table in TRUTH, f"{route.path}: say in records.TRUTH whose its rows are"
        else:
            assert _name(route) in WRITES or _name(route) in ELSEWHERE, f"{_name(route)} has no rule"


async def test_every_call_without_the_scope_is_403_whatever_the_id(peopled: Service) -> None:
    truth = await truth_of(peopled.superuser_url)
    for person in people(peopled.dataset):
        client = peopled.as_(person.key, person.area).client
        for route in _partner_routes(peopled):
            scope = _scope(route)
            if scope is None:
                continue
            others = client.scopes - {scope}
            if not others:
                continue  # no token is issued without a scope
            caller = Caller(peopled.http, client)
            await _token_for(peopled, caller, others)
            for key in (uuid4(), truth["referral"][0].id):
                answer = await _call(caller, route, key, {})
                assert answer.status_code == 403, f"{person.key} {_name(route)}: {answer.status_code} {answer.text}"
                assert answer.json()["scope"] == scope


_tokens: dict[tuple[int, str, frozenset[str]], str] = {}


async def _token_for(service: Service, caller: Caller, scopes: frozenset[str]) -> None:
    known = (id(service), caller.client.client_id, scopes)
    if known not in _tokens:
        _tokens[known] = await caller.authorise(*sorted(scopes))
    caller.token = _tokens[known]


def _scope(route: Any) -> str | None:
    if isinstance(route, ReadRoute):
        return route.reading.resource.read_scope
    name = _name(route)
    return WRITES[name][0] if name in WRITES else ELSEWHERE[name]


async def _call(caller: Caller, route: Any, key: object, body: Any) -> httpx2.Response:
    path = route.path
    for parameter in route.param_convertors:
        path = path.replace(f"{{{parameter}}}", str(key))
    method = next(iter(route.methods - {"HEAD"}))
    if method == "GET":
        return await caller.get(path)
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'}
    return await caller.call(method, path, json=body, headers=headers)


def _holds(person: Person, scope: str) -> bool:
    return scope in person.scopes


async def _assert_reach(service: Service) -> None:
    """Every list holds exactly what is shared with its caller; every record by its id is there or is not."""
    truth = await truth_of(service.superuser_url)
    for person in people(service.dataset):
        caller = service.as_(person.key, person.area)
        for route in _reads(service):
            reading = route.reading
            if not _holds(person, reading.resource.read_scope) or reading.resource.table == "audit_event":
                continue
            shared = {
                record.id for record in truth[reading.resource.table] if may_see(person, reading.resource.table, record)
            }
            if reading.search:
                await _assert_search(caller, person, shared)
            elif reading.many and not reading.under:
                await _assert_list(caller, person, route, shared, truth)
            elif reading.under:
                await _assert_sublist(caller, person, route, shared, truth[reading.under.table])
            else:
                await _assert_records(caller, person, route, truth[reading.resource.table])


NAMES = {
    "school": "school",
    "urn": "school",
    "service": "commissioned_service",
    "provider": "provider",
    "cluster": "cluster",
    "sla": "sla",
    "referral": "referral",
}
"""Filters that name another record, and the table that it is in."""


async def _assert_list(
    caller: Caller, person: Person, route: ReadRoute, shared: set[UUID], truth: dict[str, list[Record]]
) -> None:
    resource, who = route.reading.resource, f"{person.key} of {person.area}: {route.path}"
    seen: set[UUID] = set()
    cursor = None
    while True:
        how = {"limit": 3 if resource.table == "referral" else 200, "count": "true"}
        page = (await caller.get(route.path, **how | ({"cursor": cursor} if cursor else {}))).json()
        seen |= {UUID(record["id"]) for record in page["data"]}
        if not (cursor := page["next"]):
            break
    narrowed = (resource.table, person.role) in NARROWED
    assert seen == shared or (narrowed and seen < shared), who
    assert page["count"] == len(seen), who
    for name, table in NAMES.items():
        hidden = [record.id for record in truth[table] if not may_see(person, table, record)]
        if name in resource.filters and hidden:
            answer = await caller.get(route.path, **{name: str(hidden[-1]), "count": "true"})
            assert answer.status_code in (200, 422), f"{who} {name}: {answer.text}"
            assert answer.status_code == 422 or (answer.json()["data"], answer.json()["count"]) == ([], 0), (
                f"{who} {name}"
            )


async def _assert_search(caller: Caller, person: Person, shared: set[UUID]) -> None:
    for number in ({"upn": "B801200005001"}, {"nhs_number": "9990000018"}):
        answer = await caller.search(number, limit=200, count="true")
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 200:
            found = {UUID(record["id"]) for record in answer.json()["data"]}
            assert (found <= shared, answer.json()["count"]) == (True, len(found)), f"{person.key} of {person.area}"


async def _assert_sublist(
    caller: Caller, person: Person, route: ReadRoute, shared: set[UUID], parents: list[Record]
) -> None:
    under = route.reading.under
    assert under
    for parent in parents[:3] + parents[-3:]:
        answer = await _call(caller, route, parent.id, None)
        if may_see(person, under.table, parent):
            assert answer.status_code == 200, answer.text
            assert {UUID(record["id"]) for record in answer.json()["data"]} <= shared
        else:
            assert answer.status_code == 404, f"{person.key} {route.path}"
    assert (await _call(caller, route, uuid4(), None)).status_code == 404


async def _assert_records(caller: Caller, person: Person, route: ReadRoute, records: list[Record]) -> None:
    mine = [record for record in records if may_see(person, route.reading.resource.table, record)]
    others = [record for record in records if record not in mine]
    for record in mine[:2] + others[:2] + others[-2:]:
        answer = await _call(caller, route, record.id, None)
        expected = 200 if may_see(person, route.reading.resource.table, record) else 404
        assert answer.status_code == expected, f"{person.key} of {person.area}: {route.path} {answer.text}"
    absent = await _call(caller, route, uuid4(), None)
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")


async def test_each_sees_exactly_what_is_shared_with_it(peopled: Service) -> None:
    await _assert_reach(peopled)


async def test_row_level_security_alone_still_hides_everything(
    peopled: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_access, "row_access_predicate", lambda rows, binds: [])
    compile_plan.cache_clear()
    try:
        await _assert_reach(peopled)
    finally:
        compile_plan.cache_clear()


async def test_the_explicit_predicate_alone_still_hides_everything(peopled: Service) -> None:
    admin = await asyncpg.connect(peopled.superuser_url)
    tables = [row[0] for row in await admin.fetch("select relname from pg_class where relrowsecurity")]
    try:
        for table in tables:
            await admin.execute(f'alter table "{table}" disable row level security')
        await _assert_reach(peopled)
    finally:
        for table in tables:
            await admin.execute(f'alter table "{table}" enable row level security')
        await admin.close()


async def test_another_s_record_is_absent_to_whoever_writes_to_it(peopled: Service) -> None:
    truth = await truth_of(peopled.superuser_url)
    for person in people(peopled.dataset):
        caller = peopled.as_(person.key, person.area)
        for route in _partner_routes(peopled):
            scope, table, body = WRITES.get(_name(route), ("", None, {}))
            if table is None or not _holds(person, scope):
                continue
            hidden = [record.id for record in truth[table] if not may_see(person, table, record)]
            assert hidden or table == "current_pathway"
            for key in [*hidden[:2], *hidden[-2:], uuid4()]:
                answer = await _call(caller, route, key, _filled(body, truth, person))
                assert answer.status_code == 404, f"{person.key} {_name(route)}: {answer.status_code} {answer.text}"


async def test_a_reference_to_another_s_record_reads_as_absent(peopled: Service) -> None:
    truth = await truth_of(peopled.superuser_url)
    before = await _counts(peopled)
    for person in people(peopled.dataset):
        caller = peopled.as_(person.key, person.area)
        for route in _partner_routes(peopled):
            scope, table, body = WRITES.get(_name(route), ("", None, {}))
            if table is not None or "'{" not in str(body) or not _holds(person, scope):
                continue
            foreign = await _call(caller, route, "", _filled(body, truth, person))
            absent = await _call(caller, route, "", _filled(body, {}, person))
            assert foreign.status_code == absent.status_code == 422, f"{person.key} {_name(route)}: {foreign.text}"
            assert foreign.json()["errors"] == absent.json()["errors"], f"{person.key} {_name(route)}"
    assert await _counts(peopled) == before


async def _counts(service: Service) -> dict[str, int]:
    truth = await truth_of(service.superuser_url)
    return {table: len(records) for table, records in truth.items() if table != "audit_event"}


def _filled(body: Any, truth: dict[str, list[Record]], person: Person) -> Any:
    """The body with `{table}` replaced by the id of a record that is not shared with somebody, or of none."""
    if isinstance(body, dict):
        return {name: _filled(value, truth, person) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, truth, person) for value in body]
    if isinstance(body, str) and body.startswith("{"):
        table = body.strip("{}")
        hidden = [record.id for record in truth.get(table, []) if not may_see(person, table, record)]
        return str(hidden[0] if hidden else uuid4())
    return body


def test_the_table_of_writes_names_no_route_that_is_gone(shared_service: Service) -> None:
    there = {_name(route) for route in _partner_routes(shared_service)}
    assert set(WRITES) <= there
    assert set(ELSEWHERE) <= there
