"""Whatever is asked, by whomever: GraphQL answers what REST does, field by field, in the order of the query."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from support.graphql_dataset import AREAS, GraphDataset
from support.graphql_queries import Drawn, filled, queries
from support.graphql_reference import SCOPES, SEARCHES_BY, Record, Reference, Rest, touched
from support.graphql_requests import GRAPHQL, codes
from support.tiers import size

from convenor.security.principal import Role
from convenor_auth.roles import IDENTIFY

READING = frozenset(SCOPES.values())
KEYS = [
    "school",
    "neighbour",
    "far_school",
    "trust",
    "second_trust",
    "charity",
    "cluster_lead",
    "commissioner",
    "identifying_commissioner",
    "finance",
    "board",
    "auditor",
]
SEVERAL = ["two schools", "trust of two", "charity of two", "lead of two", "commissioner of two", "auditor of two"]
EVERYBODY = [*(f"{key}@{area}" for area in AREAS for key in KEYS), *SEVERAL, "operator"]


@pytest.fixture(scope="module")
async def references(graph_dataset: GraphDataset) -> dict[str, Reference]:
    """The reference of each caller."""
    boards = {graph_dataset.area_of(f"board@{area}"): Rest(graph_dataset.callers[f"board@{area}"]) for area in AREAS}
    return {
        who: Reference(Rest(caller), boards, graph_dataset.area_of(who))
        for who, caller in graph_dataset.callers.items()
    }


@pytest.fixture(scope="module")
def now() -> str:
    """A moment after everything that is told of in the audit but for these tests' own reading."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def test_every_caller_is_compared_with_rest(graph_dataset: GraphDataset) -> None:
    assert set(graph_dataset.callers) == set(EVERYBODY)


def in_order(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of an answer; no key may stand in it twice."""
    found = dict(members)
    assert len(found) == len(members), [key for key, _ in members]
    return found


def shape(value: Any) -> Any:
    """A value with the order of its keys."""
    if isinstance(value, dict):
        return [(key, shape(member)) for key, member in value.items()]
    return [shape(member) for member in value] if isinstance(value, list) else value


async def compared(graph_dataset: GraphDataset, reference: Reference, query: str, variables: Record) -> None:
    """Asks both."""
    client = reference.rest.caller.client
    body = {"query": query, "variables": variables}
    answer = await reference.rest.caller.call("POST", "/graphql", json=body, headers={"Accept": GRAPHQL})
    needed = touched(query, variables)
    if not needed.scopes <= client.scopes:
        assert (answer.status_code, codes(answer)) == (403, ["scope_missing"]), answer.text
        assert {*answer.json()["errors"][0]["extensions"]["scope"].split()} == needed.scopes - client.scopes
        return
    sees_all = IDENTIFY in client.scopes and client.role is Role.COMMISSIONER
    if not sees_all and any(client.role not in SEARCHES_BY[name] for name in needed.searches):
        faults = answer.json()["errors"][0]["extensions"]["errors"]
        assert (answer.status_code, {fault["code"] for fault in faults}) == (422, {"not_for_role"}), answer.text
        return
    assert answer.status_code == 200, answer.text
    answered = json.loads(answer.content, object_pairs_hook=in_order)
    expected = await reference.answer(query, variables)
    assert answered["data"] == expected
    assert shape(answered["data"]) == shape(expected)
    absent = {key for key, value in expected.items() if value is None}
    errors = answered.get("errors", [])
    assert {error["path"][0] for error in errors} == absent
    assert {error["extensions"]["code"] for error in errors} <= {"not_found", "ambiguous_key"}


@pytest.mark.timeout(size(300, 3_600))
@settings(
    max_examples=size(600, 6_000),
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
@given(data=st.data(), who=st.sampled_from(EVERYBODY), everything=st.integers(0, 9))
async def test_any_query_is_answered_as_rest_answers(
    graph_dataset: GraphDataset,
    references: dict[str, Reference],
    now: str,
    data: st.DataObject,
    who: str,
    everything: int,
) -> None:
    scopes = READING if everything == 9 else READING & graph_dataset.callers[who].client.scopes
    drawn: Drawn = data.draw(queries(scopes))
    query, variables = (filled(text, graph_dataset.records, now) for text in (drawn.query, drawn.variables))
    note(f"{query}\n{variables}")
    await compared(graph_dataset, references[who], query, json.loads(variables))
