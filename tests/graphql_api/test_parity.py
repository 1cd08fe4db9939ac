"""One declaration for both faces: what REST shows of a resource, GraphQL shows, and nothing else."""

from itertools import chain

import pytest

from convenor.features import FEATURES
from convenor.read_model.resource import Resource
from convenor_graphql.naming import camel
from convenor_graphql.object_types import parse_order
from convenor_graphql.schema import graphql_api

RESOURCES = {
    route.reading.resource.name: route.reading.resource
    for route in chain.from_iterable(f.reading_routes for f in FEATURES)
}


def arguments_of(kind: str) -> dict[str, dict[str, str]]:
    """The fields of a type, each with its arguments."""
    types = graphql_api().types
    fields = types.get_type(kind).fields  # type: ignore[union-attr]
    return {
        name: {argument: str(declared.type) for argument, declared in field.args.items()}
        for name, field in fields.items()
    }


def node(resource: Resource) -> str:
    return resource.read.__name__.removesuffix("Read")


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_a_type_has_the_fields_of_rest_its_relations_and_its_version(resource: Resource) -> None:
    fields = {camel(info.alias or name) for name, info in resource.read.model_fields.items() if name != "redacted"}
    more = {camel(name) for name in resource.relations} | ({"version"} if resource.etag else set())
    assert set(arguments_of(node(resource))) == fields | more


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_a_list_takes_the_filters_and_orders_of_rest(resource: Resource) -> None:
    lists = [
        arguments
        for kind in ("Query", *map(node, RESOURCES.values()))
        for name, arguments in arguments_of(kind).items()
        if (link := graphql_api().bindings.links.get((kind, name))) and link.many and link.resource is resource
    ]
    for arguments in lists:
        assert sorted(arguments) == sorted([*map(camel, resource.filters), "first", "after", "sort"])
    orders = graphql_api().types.get_type(f"{node(resource)}Sort").values  # type: ignore[union-attr]
    assert {parse_order(word)[0] for word in orders} == set(resource.sorts)
