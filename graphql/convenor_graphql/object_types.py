"""The graph that is read: a type for each resource, a connection where a list of it is reached, and the roots.

Everything is made from the declarations. What a field of the schema means to the reading machine stands in `Graph`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import strawberry

from convenor.domain_types.names import words
from convenor.http.read_routes import ReadRoute
from convenor.read_model.list_query import DEFAULT_LIMIT, MAX_LIMIT
from convenor.read_model.redaction import sensitive_fields
from convenor.read_model.resource import Relation, Resource
from convenor_graphql.naming import camel
from convenor_graphql.scalars import choice
from convenor_graphql.type_factory import Argument, TypeFactory, blank, define, filter_kinds, wire_name


@dataclass(frozen=True)
class Link:
    """A field that leads to a resource: from a root, or along a relation.

    Args:
        resource: where it leads.
        many: whether to a page of it.
        relation: how its rows hang on the parent's; none from a root.
        parameter: of a root that leads to one record, the argument that names it.
    """

    resource: Resource
    many: bool
    relation: Relation | None = None
    parameter: str = ""


@dataclass
class Graph:
    """What the fields of the schema mean, by the names of type and field."""

    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    fields: dict[tuple[str, str], str] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    """The read model of each object type that is made of one."""
    filters: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """By a resource's name: its filters by the argument of each."""


@strawberry.type(description="Where a page lies in its list (Relay Cursor Connections Specification).")
class PageInfo:
    """Where a page lies in its list."""

    hasNextPage: bool = strawberry.field(description="Whether there is a page after this one.")  # noqa: N815
    hasPreviousPage: bool = strawberry.field(description="Whether this page was asked for by `after`.")  # noqa: N815
    startCursor: str | None = strawberry.field(description="The cursor of the first edge.")  # noqa: N815
    endCursor: str | None = strawberry.field(description="The cursor of the last edge: `after` of the next page.")  # noqa: N815


class ObjectTypes:
    """Writes the types of some reading routes."""

    def __init__(self, routes: Iterable[ReadRoute], graph: Graph) -> None:
        self.routes, self.graph = list(routes), graph
        self.resources = {route.reading.resource.name: route.reading.resource for route in self.routes}
        walled = [field for it in self.resources.values() for field in sensitive_fields(it)]
        self.shapes = TypeFactory([it.read for it in self.resources.values()], walled)
        self.connections: dict[str, type] = {}
        self.sorts: dict[str, Any] = {}

    def build(self) -> type:
        """The query type."""
        query = blank("Query")
        self.shapes.define(except_for=["redacted"])
        for resource in self.resources.values():
            self._connect(resource)
        for resource in self.resources.values():
            self._relate(resource)
        for route in self.routes:
            if route.reading.under is None:
                self._root(query, route)
        for model in self.shapes.classes:
            name = self.shapes.names[model]
            self.graph.models[name] = model
            for its, info in model.model_fields.items():
                self.graph.fields[name, wire_name(info, its)] = its
        self.shapes.finish()
        return strawberry.type(query, name="Query", description="What can be read, each as far as your role reaches.")

    def name(self, resource: Resource) -> str:
        """The type of a resource."""
        return self.shapes.names[resource.read]

    def node(self, resource: Resource) -> type:
        """The class of a resource."""
        return self.shapes.classes[resource.read]

    def _root(self, query: type, route: ReadRoute) -> None:
        resource = route.reading.resource
        if route.reading.many:
            name = camel(resource.name)
            about = f"A page of {words(resource.name)}, as far as your role reaches."
            self._page(query, "Query", name, Link(resource, many=True), about)
            return
        parameter = re.findall(r"{(\w+)}", route.path)[0]
        name = camel(resource.singular)
        keys = "id" if resource.natural_key is None else f"id or {words(resource.natural_key)}"
        one = words(resource.singular)
        argument = Argument(parameter, strawberry.ID, f"The {one}'s {keys}.")
        define(query, name, Optional[self.node(resource)], f"One {one}, by its {keys}.", [argument])  # noqa: UP045
        self.graph.links["Query", name] = Link(resource, many=False, parameter=parameter)

    def _relate(self, resource: Resource) -> None:
        cls = self.node(resource)
        if resource.etag:
            define(cls, "version", int, "The record's version, which is its ETag: `ifVersion` of a change.")
        for relation_name, relation in resource.relations.items():
            target = self.resources[relation.target]
            name, link = camel(relation_name), Link(target, relation.many, relation)
            if relation.many:
                about = f"Its {words(relation_name)}, as far as your role reaches."
                self._page(cls, self.name(resource), name, link, about)
            else:
                about = f"Its {words(relation_name)}; null where there is none, or none that your role reaches."
                define(cls, name, Optional[self.node(target)], about)  # noqa: UP045
                self.graph.links[self.name(resource), name] = link

    def _page(self, cls: type, type_name: str, name: str, link: Link, description: str) -> None:
        define(cls, name, self.connections[link.resource.name], description, self._arguments(link.resource))
        self.graph.links[type_name, name] = link

    def _connect(self, resource: Resource) -> None:
        name, many = self.name(resource), words(resource.name)
        edge = blank(f"{name}Edge")
        define(edge, "node", self.node(resource), "The record.")
        define(edge, "cursor", str, "Its place in the list: the same cursor as in REST.")
        strawberry.type(edge, name=f"{name}Edge", description=f"One of a page of {many}.")
        page = self.connections[resource.name] = blank(f"{name}Connection")
        define(page, "edges", list[edge], "The records of the page, in the order of `sort`.")  # type: ignore[valid-type]
        define(page, "pageInfo", PageInfo, "Where the page lies in its list.")
        define(page, "totalCount", int, "How many there are in all.")
        strawberry.type(page, name=f"{name}Connection", description=f"A page of {many}.")

    def _arguments(self, resource: Resource) -> list[Argument]:
        orders = self._orders(resource)
        default = next(member for member in orders if member.value == sort_name(resource.order))
        arguments = [
            Argument("first", int, f"How many records, 1 to {MAX_LIMIT}.", DEFAULT_LIMIT),
            Argument("after", Optional[str], "The cursor after which the page begins."),  # noqa: UP045
            Argument("sort", orders, "The order.", default),
        ]
        named = {camel(name): name for name in resource.filters}
        self.graph.filters[resource.name] = named
        for argument, name in named.items():
            it = resource.filters[name]
            arguments.append(Argument(argument, Optional[filter_kinds(it.type_, name)], it.description))  # noqa: UP045
        return arguments

    def _orders(self, resource: Resource) -> Any:
        name = f"{self.name(resource)}Sort"
        if name not in self.sorts:
            words_of = {
                sort_name(order): f"`sort={order}` of REST." for sort in resource.sorts for order in (sort, f"-{sort}")
            }
            self.sorts[name] = choice(name, f"The orders of {words(resource.name)}.", list(words_of), words_of)
        return self.sorts[name]


def sort_name(order: str) -> str:
    """An order as an enumeration's word: `-submitted_at` as `SUBMITTED_AT_DESC`."""
    return f"{order.removeprefix('-').upper()}_{'DESC' if order.startswith('-') else 'ASC'}"


def order_named(word: str) -> tuple[str, bool]:
    """The sort behind a word, and whether it descends."""
    name, _, way = word.rpartition("_")
    return name.lower(), way == "DESC"
