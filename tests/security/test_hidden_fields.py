"""Every field that is declared hidden from some roles is hidden from them, on every way on which it could leave."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from support.api_client import Caller
from support.databases import Server, serve
from support.dataset import Dataset
from support.declared_fields import CLEARANCES, HIDDEN, STORED, Hidden, access_profiles, graph_plans, marked, rest_plans
from support.graphql_dataset import GraphDataset, build_graph_dataset
from support.graphql_requests import asked
from support.sealed import store_plain
from support.whole_graph import whole_list

from convenor.audit_trail.resource import AUDIT_EVENTS
from convenor.features import FEATURES, RESOURCES
from convenor.http.read_routes import ReadRoute
from convenor.read_model.resource import Resource
from convenor.security.principal import FieldSensitivity, Role
from convenor_auth.roles import ROLES, clearances_of
from convenor_graphql.naming import camel
from convenor_graphql.schema import graphql_api

ROUTES: list[ReadRoute] = [
    route for feature in FEATURES for route in feature.reading_routes if not route.reading.search
]
WITH_HIDDEN = {field.resource.name: field.resource for field in HIDDEN}
"""The resources with hidden fields, by name."""
SEARCHED = {"upn": "B801200005001", "nhs_number": "9990000018"}
"""A value of each filter that is not for everybody."""


def hidden_in(resource: Resource) -> list[Hidden]:
    return [field for field in HIDDEN if field.resource is resource]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("resource", WITH_HIDDEN.values(), ids=WITH_HIDDEN)
def test_no_statement_reads_a_field_that_its_caller_does_not_see(resource: Resource, role: Role) -> None:
    fields, tested = hidden_in(resource), marked(resource)
    for clearances in CLEARANCES:
        for profile in access_profiles(role, clearances):
            for wanted, plan in rest_plans(tested, profile):
                for each in fields:
                    asked_for = wanted is None or each.top in wanted
                    assert (each.marker in plan.sql) is (each.sensitivity in clearances and asked_for), (
                        f"{each.path} {wanted}"
                    )
            for plan in graph_plans(tested, profile):
                for each in fields:
                    assert (each.marker in plan.sql) is (each.sensitivity in clearances), each.path


@pytest.mark.parametrize("resource", WITH_HIDDEN.values(), ids=WITH_HIDDEN)
def test_no_order_default_or_search_of_others_names_a_hidden_column(resource: Resource) -> None:
    for each in (field for field in hidden_in(resource) if field.column):
        filters = resource.filters.values()
        open_sql = [filter_.sql for filter_ in filters if not _implies(filter_.sensitivity, each.sensitivity)]
        open_sql += [filter_.default_sql for filter_ in filters] + [
            own.sql for own in resource.default_filters.values()
        ]
        open_sql += [sort.column for sort in resource.sorts.values()] + [resource.natural_key or ""]
        for sql in open_sql:
            assert not re.search(rf"\b{each.column}\b", sql), f"{each.path}: {sql}"


def _implies(one: FieldSensitivity | None, other: FieldSensitivity) -> bool:
    """Tell whether every role that may see fields of one kind may see those of the other."""
    return one is not None and all(other in role.clearances for role in ROLES.values() if one in role.clearances)


@dataclass
class Planted:
    """A dataset in which every hidden column holds values that stand nowhere else."""

    graph_dataset: GraphDataset
    values: Mapping[Hidden, frozenset[str]]

    def passed(self, caller: Caller) -> frozenset[FieldSensitivity]:
        return clearances_of(caller.client.role, caller.client.scopes)

    def assert_hidden(self, caller: Caller, text: str, where: str) -> set[Hidden]:
        """That a text holds nothing that is hidden from its reader; what it holds of the rest."""
        shown = {each for each, values in self.values.items() if any(value in text for value in values)}
        assert {each.path for each in shown if each.sensitivity not in self.passed(caller)} == set(), where
        return shown


@pytest.fixture(scope="module")
async def planted(server: Server, dataset: Dataset) -> AsyncIterator[Planted]:
    async with serve(server, dataset) as service:
        graph_dataset = await build_graph_dataset(service)
        # A sealed value would be shown in place of the planted one.
        await store_plain(service)
        admin = await asyncpg.connect(service.superuser_url, server_settings={"session_replication_role": "replica"})
        columns = {(each.table, each.column): each for each in STORED}
        values = {column: await _plant(admin, at, each) for at, (column, each) in enumerate(columns.items())}
        await admin.close()
        yield Planted(graph_dataset, {each: values[each.table, each.column] for each in STORED})


async def _plant(admin: asyncpg.Connection, at: int, each: Hidden) -> frozenset[str]:
    """Writes a value of its own into a column; what identifies rows keeps its values, which are random."""
    of_type = "select data_type from information_schema.columns where table_name = $1 and column_name = $2"
    kind = await admin.fetchval(of_type, each.table, each.column)
    values = {"text": f"canary of {each.table}.{each.column}", "date": date(1901, 1, 1) + timedelta(days=at)}
    if kind != "uuid":
        # Another in each row, since a sender's references are unique.
        value = "$1 || ' ' || ctid::text" if kind == "text" else "$1"
        update = f"update {each.table} set {each.column} = {value}"
        try:
            await admin.execute(update, values[kind])
        except asyncpg.CheckViolationError:
            await admin.execute(f"{update} where {each.column} is not null", values[kind])
    rows = await admin.fetch(f"select distinct {each.column}::text from {each.table} where {each.column} is not null")
    assert rows, f"no row has {each.column}"
    return frozenset(row[0] for row in rows)


def _assert_named(planted: Planted, caller: Caller, resource: Resource, record: Any, wanted: str) -> None:
    """That a record names each field of it that is hidden from its reader, and no other."""
    hidden = {field.path for field in hidden_in(resource) if field.sensitivity not in planted.passed(caller)}
    expected = {path for path in hidden if not wanted or path.split(".")[0] == wanted}
    assert set(record.get("redacted", [])) == expected, resource.name


async def _by_rest(planted: Planted, caller: Caller) -> set[Hidden]:
    """Reads every list and some records of each, whole and by each hidden field alone; what was shown."""
    shown, known = set[Hidden](), dict[str, list[str]]()
    for route in sorted(ROUTES, key=lambda route: route.path.count("{")):
        resource, under = route.reading.resource, route.reading.under
        if route.operation.scope not in caller.client.scopes or resource is AUDIT_EVENTS:
            continue
        parent = under or (None if route.reading.many else resource)
        places = [re.sub(r"{\w+}", key, route.path) for key in known.get(parent.name, [])] if parent else [route.path]
        for place in places:
            for wanted in dict.fromkeys(["", *(field.top for field in hidden_in(resource))]):
                answer = await caller.get(place, **({"fields": wanted} if wanted else {}))
                assert answer.status_code == 200, f"{place}: {answer.text}"
                shown |= planted.assert_hidden(caller, answer.text, f"{caller.client.client_id} {place} {wanted}")
                records = answer.json()["data"] if route.reading.many else [answer.json()]
                for record in records:
                    _assert_named(planted, caller, resource, record, wanted)
                if route.reading.many and not under and not wanted:
                    known[resource.name] = [record["id"] for record in records][:12]
    return shown


async def _by_graph(planted: Planted, caller: Caller) -> set[Hidden]:
    """Reads every list of the root, with a page of every relation of its records; what was shown."""
    scopes, shown, passed = caller.client.scopes, set[Hidden](), planted.passed(caller)
    for (kind, root), link in graphql_api().bindings.links.items():
        if kind != "Query" or not link.many or link.resource.read_scope not in scopes or link.resource is AUDIT_EVENTS:
            continue
        answer = await asked(caller, whole_list(root, link, scopes))
        assert "errors" not in answer.json(), answer.text
        shown |= planted.assert_hidden(caller, answer.text, f"{caller.client.client_id} {root}")
        at, expected = f"{root}.edges.node.", set[str]()
        expected |= {at + camel(field.path) for field in hidden_in(link.resource) if field.sensitivity not in passed}
        for name, relation in link.resource.relations.items():
            target = RESOURCES[relation.target]
            if target.read_scope in scopes:
                way = f"{at}{camel(name)}.{'edges.node.' if relation.many else ''}"
                expected |= {way + camel(field.path) for field in hidden_in(target) if field.sensitivity not in passed}
        assert set(answer.json()["extensions"]["redacted"]) == expected, f"{caller.client.client_id} {root}"
    return shown


@pytest.mark.parametrize("read", [_by_rest, _by_graph], ids=["REST", "GraphQL"])
async def test_a_hidden_value_appears_to_those_alone_who_may_see_it_and_is_named_to_the_rest(
    planted: Planted, read: Any
) -> None:
    shown = set[Hidden]()
    for caller in planted.graph_dataset.callers.values():
        shown |= await read(planted, caller)
    assert set(STORED) == shown


async def test_nobody_searches_by_what_they_do_not_see(planted: Planted) -> None:
    searches = {
        (resource.name, name): each
        for resource in RESOURCES.values()
        for name, each in resource.filters.items()
        if each.sensitivity
    }
    for who, caller in planted.graph_dataset.callers.items():
        for (listed, name), each in searches.items():
            if RESOURCES[listed].read_scope not in caller.client.scopes:
                continue
            assert listed == "referrals", "say here where records are searched"
            by_rest = await caller.search({name: SEARCHED[name]})
            query = f'{{ {camel(listed)}({camel(name)}: "{SEARCHED[name]}") {{ totalCount }} }}'
            by_graph = await asked(caller, query)
            if each.sensitivity in planted.passed(caller):
                assert (by_rest.status_code, by_graph.status_code) == (200, 200), f"{who} {name}"
                continue
            assert (by_rest.status_code, by_graph.status_code) == (422, 422), f"{who} {name}"
            assert [(error["pointer"], error["code"]) for error in by_rest.json()["errors"]] == [
                (f"/{name}", "not_for_role")
            ]
