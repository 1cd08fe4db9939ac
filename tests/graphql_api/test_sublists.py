"""A list under a record holds what a graph shows there, whatever the relation and however its caller reaches either."""

import json
from typing import Any
from uuid import UUID

import pytest
from support.graphql_dataset import GraphDataset

from convenor.clusters.resource import CLUSTERS
from convenor.commissioned_services.resource import SERVICES
from convenor.http.read_routes import ReadRoute
from convenor.http.route_index import routes_of
from convenor.problems import NotFound
from convenor.read_model.execute import read_list, read_selection
from convenor.read_model.list_query import parse_query
from convenor.read_model.resource import Relation, Resource
from convenor.read_model.selection import Edges, Node, One, Page, Pick
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Principal, RowAccess
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal

CALLERS = ["school@wendshire", "trust@fenmark", "cluster_lead@wendshire", "board@fenmark"]
SEVERAL = ["two schools", "trust of two", "lead of two", "commissioner of two"]


async def principal_of(graph_dataset: GraphDataset, who: str) -> Principal:
    client, service = graph_dataset.callers[who].client, graph_dataset.service
    secret = load_secret_keys(service.data_dir)
    found = await load_principal(service.services.readers, client.client_id, client.scopes, secret)
    assert found
    return found


def resources_of(graph_dataset: GraphDataset) -> dict[str, Resource]:
    """Every resource, by its name."""
    routes = [route for route in routes_of(graph_dataset.service.app) if isinstance(route, ReadRoute)]
    return {route.reading.resource.name: route.reading.resource for route in routes}


async def in_a_graph(
    readers: Any, who: Principal, parent: Resource, key: object, relation: Relation, target: Resource
) -> list[Any]:
    """The ids that hang on a record."""
    edges = Edges("edges", (Node("node", (Pick("id", "id"),)),))
    sort, descending = target.order.removeprefix("-"), target.order.startswith("-")
    link = Page("page", target, (edges,), 200, sort, descending, relation=relation, at="/page")
    graph = await read_selection(readers, who, (One("one", parent, (link,), at="/one"),), {"/one.id": key})
    return [UUID(edge["node"]["id"]) for edge in json.loads(graph.docs[0])["page"]["edges"]]


async def listed(readers: Any, who: Principal, resource: Resource, under: Any = None) -> list[Any]:
    return list((await read_list(readers, who, resource, parse_query(resource, b"limit=200"), under)).ids)


@pytest.mark.parametrize("name", [*CALLERS, *SEVERAL])
async def test_a_list_under_a_record_is_that_of_the_graph(graph_dataset: GraphDataset, name: str) -> None:
    who, resources, readers = (
        await principal_of(graph_dataset, name),
        resources_of(graph_dataset),
        graph_dataset.service.services.readers,
    )
    compared = 0
    for parent in resources.values():
        if not parent.relations or parent.row_access_of(who.role) is RowAccess.NONE:
            continue
        for key in (await listed(readers, who, parent))[:4]:
            for link, relation in parent.relations.items():
                target = resources[relation.target]
                shown = await listed(readers, who, target, (parent, link, str(key)))
                join_predicate = await in_a_graph(readers, who, parent, key, relation, target)
                assert shown == join_predicate, f"{parent.name}.{link}"
                compared += len(shown)
    assert compared


async def test_what_a_cluster_does_not_buy_is_in_no_list_under_it(graph_dataset: GraphDataset) -> None:
    who, readers = await principal_of(graph_dataset, "commissioner@wendshire"), graph_dataset.service.services.readers
    everything = set(await listed(readers, who, SERVICES))
    bought = set()
    for cluster in await listed(readers, who, CLUSTERS):
        bought |= set(await listed(readers, who, SERVICES, (CLUSTERS, "services", str(cluster))))
    assert set() < bought < everything


async def test_a_case_of_one_of_two_schools_leads_to_its_service(graph_dataset: GraphDataset) -> None:
    who, readers = await principal_of(graph_dataset, "two schools"), graph_dataset.service.services.readers
    for case in await listed(readers, who, REFERRALS):
        assert len(await listed(readers, who, SERVICES, (REFERRALS, "service", str(case)))) == 1


async def test_a_record_that_is_not_the_caller_s_has_no_list_under_it(graph_dataset: GraphDataset) -> None:
    who, readers = await principal_of(graph_dataset, "two schools"), graph_dataset.service.services.readers
    (other, *_) = await listed(readers, await principal_of(graph_dataset, "neighbour@wendshire"), REFERRALS)
    for link, resource in (("service", SERVICES), ("school", resources_of(graph_dataset)["schools"])):
        with pytest.raises(NotFound):
            await listed(readers, who, resource, (REFERRALS, link, str(other)))
