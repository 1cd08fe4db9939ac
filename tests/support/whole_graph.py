"""Documents that read everything of a resource over GraphQL, with a page of all that its relations lead to."""

from collections.abc import Iterator
from typing import Any

from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from convenor_graphql.object_types import Link
from convenor_graphql.schema import graphql_api


def whole_list(root: str, link: Link, scopes: frozenset[str], first: int = 20) -> str:
    """Return a document that reads a list of the root, with whatever these scopes open."""
    node = graphql_api().types.get_type(link.resource.read.__name__.removesuffix("Read"))
    assert isinstance(node, GraphQLObjectType)
    parts = " ".join(_everything(node, scopes, links=True))
    return f"{{ {root}(first: {first}) {{ edges {{ node {{ {parts} }} }} }} }}"


def _everything(kind: GraphQLObjectType, scopes: frozenset[str], links: bool) -> Iterator[str]:
    """Every field of a type, with what lies in it; and a page of all that its relations lead to."""
    for name, declared in kind.fields.items():
        inner = get_named_type(declared.type)
        link = graphql_api().bindings.links.get((kind.name, name))
        if link:
            if links and link.resource.read_scope in scopes:
                yield _linked(name, link, inner, scopes)
        elif isinstance(inner, GraphQLUnionType):
            members = [f"... on {of.name} {{ __typename {_inside(of, scopes)} }}" for of in inner.types]
            yield f"{name} {{ {' '.join(members)} }}"
        else:
            yield f"{name} {{ {_inside(inner, scopes)} }}" if isinstance(inner, GraphQLObjectType) else name


def _inside(kind: GraphQLObjectType, scopes: frozenset[str]) -> str:
    # What tells the members of a union apart is of another type in each.
    return " ".join(part for part in _everything(kind, scopes, links=False) if part != "kind")


def _linked(name: str, link: Link, kind: Any, scopes: frozenset[str]) -> str:
    if not link.many:
        return f"{name} {{ {_inside(kind, scopes)} }}"
    node = graphql_api().types.get_type(kind.name.removesuffix("Connection"))
    assert isinstance(node, GraphQLObjectType)
    return f"{name}(first: 12) {{ edges {{ node {{ {_inside(node, scopes)} }} }} }}"
