"""Make the schema once, from the features' declarations."""

from dataclasses import dataclass
from functools import cache, cached_property

import strawberry
from fastapi.routing import APIRoute
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from convenor.features import FEATURES
from convenor.http.dependencies import WriteOperation
from convenor.http.operation import declared
from convenor_graphql.mutations import Mutation, Mutations
from convenor_graphql.object_types import ObjectTypes, SchemaBindings
from convenor_graphql.scalars import SCALARS


@dataclass(frozen=True)
class GraphQLApi:
    """The schema, with the declarations behind its fields."""

    schema: strawberry.Schema
    bindings: SchemaBindings
    mutations: dict[str, Mutation]

    @cached_property
    def types(self) -> GraphQLSchema:
        """Return graphql-core's schema, for validation and coercion."""
        return self.schema._schema

    @property
    def sdl(self) -> str:
        """Return the schema as text."""
        return self.schema.as_str() + "\n"


@cache
def graphql_api() -> GraphQLApi:
    """Make the GraphQL API of the features, once in a process: it depends on nothing else.

    The changes of features that partners write are mutations, but for their bulk loads.
    """
    bindings = SchemaBindings()
    object_types = ObjectTypes([route for feature in FEATURES for route in feature.reading_routes], bindings)
    query = object_types.build()
    routes = [route for feature in FEATURES if feature.partner_writes for route in feature.routes]
    declarations = [(route, declared(route)) for route in routes if isinstance(route, APIRoute)]
    writes = [(route, operation) for route, operation in declarations if isinstance(operation, WriteOperation)]
    mutations = Mutations(writes, object_types, bindings)
    schema = strawberry.Schema(
        query=query,
        mutation=mutations.build(),
        config=StrawberryConfig(auto_camel_case=False, scalar_map=dict(SCALARS)),
    )
    return GraphQLApi(schema, bindings, mutations.by_name)
