"""The schema, made once from what the features declare."""

from dataclasses import dataclass
from functools import cache, cached_property

import strawberry
from fastapi.routing import APIRoute
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from convenor.contacts import routes as contacts
from convenor.features import FEATURES
from convenor.http.operation import declared
from convenor.http.write_routes import WriteOperation
from convenor.impact_returns import routes as impact_returns
from convenor.outcomes import routes as outcomes
from convenor.referrals import routes as referrals
from convenor_graphql.mutations import Mutation, Mutations
from convenor_graphql.object_types import Graph, ObjectTypes
from convenor_graphql.scalars import SCALARS


@dataclass(frozen=True)
class GraphQLApi:
    """The schema, with what its fields mean."""

    schema: strawberry.Schema
    graph: Graph
    mutations: dict[str, Mutation]

    @cached_property
    def types(self) -> GraphQLSchema:
        """The schema as graphql-core knows it: what parses, validates and coerces."""
        return self.schema._schema

    @property
    def sdl(self) -> str:
        """The schema, to be read."""
        return self.schema.as_str() + "\n"


PARTNERS_WRITE = (referrals, contacts, outcomes, impact_returns)
"""The features whose writes are mutations, but for their bulk loads."""


@cache
def graphql_api() -> GraphQLApi:
    """The GraphQL face of the features. Made once in a process: it depends on nothing else."""
    graph = Graph()
    nodes = ObjectTypes([route for feature in FEATURES for route in feature.read_routes], graph)
    query = nodes.build()
    routes = [route for feature in PARTNERS_WRITE for route in feature.router.routes]
    declarations = [(route, declared(route)) for route in routes if isinstance(route, APIRoute)]
    writes = [(route, it) for route, it in declarations if isinstance(it, WriteOperation)]
    mutations = Mutations(writes, nodes, graph)
    schema = strawberry.Schema(
        query=query,
        mutation=mutations.build(),
        config=StrawberryConfig(auto_camel_case=False, scalar_map=dict(SCALARS)),
    )
    return GraphQLApi(schema, graph, mutations.by_name)
