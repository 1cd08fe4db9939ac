"""What REST hides is hidden on every way through the graph, from whomever."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type
from support.api_client import Caller, Service, pupil_referral
from support.graphql_dataset import AREAS, GraphDataset
from support.graphql_reference import RECORDS, SCOPES, Record, Rest, schema
from support.graphql_requests import asked, camelled
from support.records import make_records

from convenor.domain_types.dates import today
from convenor_graphql.planner import MAX_ROOTS

LINKS = 5
"""How many links follow one another at most, each used once."""

CASES = {
    "Referral": "/v1/referrals",
    "Contact": "/v1/contacts",
    "Outcome": "/v1/outcomes",
    "Transition": "/v1/referrals/{referral_id}/transitions",
    "ImpactReturn": "/v1/impact-returns",
    "ReturnTransition": "/v1/impact-returns/{return_id}/transitions",
    "Sla": "/v1/slas",
    "SlaTransition": "/v1/slas/{sla_id}/transitions",
    "AuditEvent": "/v1/audit/events",
}
"""What somebody may not see, and where REST shows it."""

NAMED = {
    "Area": "areas",
    "Cluster": "clusters",
    "School": "schools",
    "Provider": "providers",
    "Service": "services",
    "Membership": "clusterMemberships",
    "Sla": "slas",
    "Referral": "referrals",
    "Contact": "contacts",
    "Outcome": "outcomes",
    "ImpactReturn": "impactReturns",
}
"""The records that are asked for by id: their lists in a graph_dataset."""

Link = tuple[str, str]
Found = dict[str, set[str]]


def links_of(kind: str, scopes: frozenset[str]) -> Iterator[tuple[str, str, bool]]:
    """The links of a type that scopes open: field, target, and whether it leads to many."""
    shown = schema().type_map[kind]
    assert isinstance(shown, GraphQLObjectType)
    for name, field in shown.fields.items():
        named = get_named_type(field.type).name
        target = named.removesuffix("Connection")
        if target in SCOPES and SCOPES[target] in scopes:
            yield name, target, named != target


def leads(kind: str, scopes: frozenset[str], left: int, used: frozenset[Link]) -> bool:
    """Whether a way of so many links leads from a type to a case."""
    return kind in CASES or (
        left > 0
        and any(
            leads(target, scopes, left - 1, used | {(kind, name)})
            for name, target, _ in links_of(kind, scopes)
            if (kind, name) not in used
        )
    )


def ways(kind: str, scopes: frozenset[str], left: int, used: frozenset[Link] = frozenset()) -> str:
    """What is selected of a record: who it is, and every way from it that leads to a case."""
    parts = ["__typename", "id"]
    for name, target, many in links_of(kind, scopes):
        link = (kind, name)
        if left and link not in used and leads(target, scopes, left - 1, used | {link}):
            inner = ways(target, scopes, left - 1, used | {link})
            if many:
                first = 2 if left > 1 else 4
                parts.append(f"{name}(first: {first}) {{ {counted(target)} edges {{ node {{ {inner} }} }} }}")
            else:
                parts.append(f"{name} {{ {inner} }}")
    return " ".join(parts)


def counted(kind: str) -> str:
    """What is asked of a page besides its edges: of a directory no total, since counting weighs much."""
    return "__typename totalCount" if kind in CASES else "__typename"


def collect(value: Any, found: Found, totals: dict[str, int]) -> None:
    """Every id of an answer, by type; and the largest total of each."""
    if isinstance(value, dict):
        kind = value.get("__typename", "")
        if "id" in value:
            found.setdefault(kind, set()).add(value["id"])
        if "totalCount" in value:
            counted = kind.removesuffix("Connection")
            totals[counted] = max(totals.get(counted, 0), value["totalCount"])
        for member in value.values():
            collect(member, found, totals)
    elif isinstance(value, list):
        for member in value:
            collect(member, found, totals)


async def read_by_rest(caller: Caller) -> Found:
    """The ids of every case that REST shows a caller."""
    rest, found = Rest(caller), Found()
    for kind, path in CASES.items():
        found[kind] = set()
        if SCOPES[kind] not in caller.client.scopes:
            continue
        parent, under = [*re.split(r"/{\w+}", path), ""][:2]
        paths = [path] if not under else [f"{parent}/{row['id']}{under}" for row in await _rows(rest, parent)]
        for path in paths:
            found[kind] |= {row["id"] for row in await _rows(rest, path)}
    return found


async def _rows(rest: Rest, path: str) -> list[dict[str, Any]]:
    order = {"/v1/slas": "code", "/v1/contacts": "on", "/v1/outcomes": "recorded_at"}
    if path in ("/v1/referrals", "/v1/impact-returns"):
        return await rest.all(path, "submitted_at")
    return await rest.all(path, order.get(path, "at"))


def assert_hidden(answer: Any, shown: Found, who: str, query: str) -> None:
    """That an answer holds no case, and counts none, that REST does not show."""
    found, totals = Found(), dict[str, int]()
    collect(answer.json()["data"], found, totals)
    for kind, ids in shown.items():
        assert found.get(kind, set()) <= ids, f"{who}: {kind} by {query}"
        assert totals.get(kind, 0) <= len(ids), f"{who}: {kind} counted by {query}"


def roots(scopes: frozenset[str], left: int = LINKS) -> Iterator[str]:
    """A query of each list of the root that leads to a case."""
    for name, target, many in links_of("Query", scopes):
        if many and leads(target, scopes, left - 1, frozenset({("Query", name)})):
            inner = ways(target, scopes, left - 1, frozenset({("Query", name)}))
            first = 4 if target in CASES else 2
            yield f"{{ {name}(first: {first}) {{ {counted(target)} edges {{ node {{ {inner} }} }} }} }}"


def named(records: Mapping[str, list[Record]], scopes: frozenset[str]) -> Iterator[str]:
    """Each of these records asked for by its id, with the ways from it."""
    for name, target, many in links_of("Query", scopes):
        if many or target not in NAMED or not leads(target, scopes, 2, frozenset()):
            continue
        inner = ways(target, scopes, 2)
        parameter = {"School": "urn"}.get(target, "id")
        ids = [row["id"] for row in records.get(NAMED[target], [])]
        at_once = max(1, min(MAX_ROOTS, 900 // len(inner.split())))
        for at in range(0, len(ids), at_once):
            asking = (
                f'r{n}: {name}({parameter}: "{key}") {{ {inner} }}' for n, key in enumerate(ids[at : at + at_once])
            )
            yield f"{{ {' '.join(asking)} }}"


@pytest.fixture(scope="module")
async def by_rest(graph_dataset: GraphDataset) -> dict[str, Found]:
    """The ids of every case that REST shows, by caller."""
    return {who: await read_by_rest(caller) for who, caller in graph_dataset.callers.items()}


async def test_every_way_from_a_list_ends_in_what_rest_shows(
    graph_dataset: GraphDataset, by_rest: dict[str, Found]
) -> None:
    for who, caller in graph_dataset.callers.items():
        for query in roots(caller.client.scopes):
            answer = await asked(caller, query)
            assert answer.status_code == 200, f"{query}: {answer.text}"
            if "auditEvents" in query:
                by_rest[who] = await read_by_rest(caller)  # the audit then holds this request, too
            assert_hidden(answer, by_rest[who], who, query)


async def test_every_way_from_any_record_s_id_ends_in_what_rest_shows(
    graph_dataset: GraphDataset, by_rest: dict[str, Found]
) -> None:
    for who, caller in graph_dataset.callers.items():
        for query in named(graph_dataset.records, caller.client.scopes):
            answer = await asked(caller, query)
            assert answer.status_code == 200, f"{query}: {answer.text}"
            assert_hidden(answer, by_rest[who], who, query)


async def test_another_s_record_reads_as_one_that_is_not_there(graph_dataset: GraphDataset) -> None:
    absent = "01900000-0000-7000-8000-000000000000"
    for who, caller in graph_dataset.callers.items():
        rest = Rest(caller)
        for name, target, many in links_of("Query", caller.client.scopes):
            if many or target not in NAMED:
                continue
            parameter = {"School": "urn"}.get(target, "id")
            keys = [absent, *(row["id"] for row in graph_dataset.records[NAMED[target]])]
            asking = " ".join(f'r{n}: {name}({parameter}: "{key}") {{ id }}' for n, key in enumerate(keys))
            answer = (await asked(caller, f"{{ {asking} }}")).json()
            errors = {error.pop("path")[0]: error for error in answer["errors"]}
            assert errors["r0"]["extensions"]["code"] == "not_found"
            hidden = {keys[int(root[1:])] for root in errors}
            assert hidden == {keys[int(root[1:])] for root, record in answer["data"].items() if record is None}
            assert all(error == errors["r0"] for error in errors.values()), f"{who}: {target}"
            for key in keys:
                if target in CASES:
                    assert (await rest.get(f"{RECORDS[target]}/{key}") is None) == (key in hidden), f"{who}: {target}"


SEEN_BY = {
    "upn": ("school", "neighbour", "far_school", "identifying_commissioner"),
    "nhsNumber": ("trust", "second_trust", "identifying_commissioner"),
}
"""Who may search by what; the clients of several have their role's part."""


@pytest.mark.parametrize(("name", "value"), [("upn", "B801200005001"), ("nhsNumber", "9990000018")])
async def test_nobody_searches_by_what_they_do_not_see_on_any_way(
    graph_dataset: GraphDataset, name: str, value: str
) -> None:
    fine = {f"{key}@{area}" for key in SEEN_BY[name] for area in AREAS}
    fine |= {"two schools"} if name == "upn" else {"trust of two"}
    given = f'{name}: "{value}"'
    ways_to = {
        "/referrals": f"{{ referrals({given}) {{ totalCount }} }}",
        "/s/edges/node/r": f"{{ s: schools {{ edges {{ node {{ r: referrals({given}) {{ totalCount }} }} }} }} }}",
        "/clusters/edges/node/services/edges/node/referrals": (
            "{ clusters(first: 9) { edges { node { services { edges { node {"
            f" referrals({given}) {{ edges {{ node {{ id }} }} }} }} }} }} }} }} }} }}"
        ),
    }
    for who, caller in graph_dataset.callers.items():
        if "referrals:read" not in caller.client.scopes:
            continue
        for way, query in ways_to.items():
            answer = await asked(caller, query)
            if who in fine:
                assert answer.status_code == 200, f"{who}: {answer.text}"
                continue
            faults = answer.json()["errors"][0]["extensions"]["errors"]
            assert answer.status_code == 422, f"{who}: {answer.text}"
            assert [(fault["pointer"], fault["code"]) for fault in faults] == [(f"{way}/{name}", "not_for_role")], who


Writing = tuple[str, str, str, dict[str, Any]]
"""Who sends which mutation, what it answers with, and its input."""


def writings() -> list[Writing]:
    """Every mutation, in an order in which each finds what it is about."""
    day = today().isoformat()
    contact = {"on": day, "mode": "video", "setting": "school", "durationMinutes": 45, "attendance": "attended"}
    outcome = {"instrument": "TOMs", "domain": "activity", "baseline": {"on": day, "value": 2}}
    report = {
        "slaId": "SLA-OUTREACH",
        "period": {"from": "2025-01-01", "to": "2025-04-30"},
        "volumes": {"sessions": 1, "pupils": 1, "schools": 1},
        "costPence": 1,
        "measures": [{"kpi": "goals_met", "numerator": 1, "denominator": 2}],
    }
    withdrawal = {"decision": "unlink", "reason": "Robin's mother telephoned."}
    child = pupil_referral("SLT", upn=None, nhs_number="9990000034")["subject"]["pupil"]
    moved = {"school_urn": "900002", "pupil": child}
    return [
        ("identifying_commissioner", "decidePupilMatch", "PupilMatch", withdrawal),
        (
            "identifying_commissioner",
            "decideHandover",
            "HandoverRequest",
            {"decision": "refuse", "reason": "She left."},
        ),
        ("neighbour", "askHandover", "Handover", camelled(moved)),
        ("neighbour", "withdrawHandover", "Handover", {"to": "withdrawn"}),
        ("school", "submitReferral", "Referral", camelled(pupil_referral("SLT"))),
        ("school", "updateReferral", "Referral", {"reason": "Robin is hard to follow."}),
        ("trust", "stateNhsNumber", "Referral", {"nhsNumber": "9990000026"}),
        ("trust", "transitionReferral", "Referral", {"to": "accepted"}),
        ("trust", "addContact", "Contact", contact | {"staffRole": "assistant"}),
        ("trust", "addOutcome", "Outcome", outcome),
        ("charity", "submitReturn", "ImpactReturn", report),
        ("commissioner", "transitionReturn", "ImpactReturn", {"to": "returned", "reason": "Count again."}),
        ("charity", "updateReturn", "ImpactReturn", {"costPence": 2}),
    ]


DECIDED: dict[str, tuple[str, dict[str, str]]] = {
    "PupilMatch": ("/v1/pupil-matches", {"status": "kept_apart"}),
    "HandoverRequest": ("/v1/handover-requests", {"status": "refused"}),
}
"""What is decided about, and how it is found."""


async def only_of(caller: Caller, path: str, filters: dict[str, str]) -> dict[str, Any]:
    """Return the id and the version of the only record of a list."""
    (record,) = (await caller.get(path, **filters)).json()["data"]
    etag = (await caller.get(f"{path}/{record['id']}")).headers["ETag"]
    return {"id": record["id"], "version": int(etag.strip('"'))}


async def test_what_a_mutation_leads_to_ends_in_what_rest_shows(service: Service) -> None:
    await make_records(service)
    mutations = schema().mutation_type
    assert mutations
    assert {name for _, name, _, _ in writings()} == set(mutations.fields)
    commissioner = service.as_("identifying_commissioner")
    about: dict[str, Any] = {}
    for key, name, kind, values in writings():
        caller, arguments = service.as_(key), mutations.fields[name].args
        declared = ", ".join(f"${at}: {argument.type}" for at, argument in arguments.items())
        given = ", ".join(f"{at}: ${at}" for at in arguments)
        if kind in DECIDED:
            about = await only_of(commissioner, *DECIDED[kind])
        inner = f"version {ways(kind, caller.client.scopes, LINKS - 1)}"
        field = kind[0].lower() + kind[1:]
        query = f"mutation ({declared}) {{ {name}({given}) {{ {field} {{ {inner} }} }} }}"
        variables = {"input": values, "id": about.get("id"), "ifVersion": about.get("version"), "idempotencyKey": name}
        answer = await asked(caller, query, **{at: variables[at] for at in arguments})
        assert answer.json().get("errors") is None, answer.text
        assert_hidden(answer, await read_by_rest(caller), key, query)
        if kind in ("Handover", "Referral", "ImpactReturn"):
            about = answer.json()["data"][name][field]
