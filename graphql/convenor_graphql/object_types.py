"""Make the object types from the declarations: a type and a connection for each resource, and the query fields.

`SchemaBindings` maps each field of the schema to the declaration that it reads.
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
from convenor_graphql.naming import argument_of, camel
from convenor_graphql.scalars import choice
from convenor_graphql.type_factory import Argument, TypeFactory, define, filter_type, new_type, wire_name


@dataclass(frozen=True)
class Link:
    """A field that leads to a resource: from a root, or along a relation.

    Args:
        resource: the target.
        many: whether it leads to a page of records.
        relation: the relation from the parent; None for a query field.
        parameter: for a query field that leads to one record, the argument that identifies the record.
    """

    resource: Resource
    many: bool
    relation: Relation | None = None
    parameter: str = ""


@dataclass
class SchemaBindings:
    """The links and fields of the read models, by the names of type and field in the schema."""

    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    fields: dict[tuple[str, str], str] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    """The read model of each object type."""
    filters: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The filters of each resource, by the names of the arguments."""
    lookups: dict[tuple[str, str], str] = field(default_factory=dict)
    """By the names of type and field, the filter whose value the field looks up."""


@strawberry.type(description="The place of a page in its list (Relay Cursor Connections Specification).")
class PageInfo:
    """The place of a page in its list."""

    hasNextPage: bool = strawberry.field(description="Whether there is a page after this one.")  # noqa: N815
    hasPreviousPage: bool = strawberry.field(description="Whether the page was requested with `after`.")  # noqa: N815
    startCursor: str | None = strawberry.field(description="The cursor of the first edge.")  # noqa: N815
    endCursor: str | None = strawberry.field(  # noqa: N815
        description="The cursor of the last edge. Send it as `after` for the next page."
    )


class ObjectTypes:
    """Make the types of the read routes."""

    def __init__(self, routes: Iterable[ReadRoute], bindings: SchemaBindings) -> None:
        self.routes, self.bindings = list(routes), bindings
        self.resources = {route.reading.resource.name: route.reading.resource for route in self.routes}
        sensitive = [field for resource in self.resources.values() for field in sensitive_fields(resource)]
        found = [lookup.read for resource in self.resources.values() for lookup in resource.lookups.values()]
        self.types = TypeFactory([*(resource.read for resource in self.resources.values()), *found], sensitive)
        self.connections: dict[str, type] = {}
        self.sorts: dict[str, Any] = {}

    def build(self) -> type:
        """Make the query type."""
        query = new_type("Query")
        self.types.define(except_for=["redacted"])
        for resource in self.resources.values():
            self._connect(resource)
        for resource in self.resources.values():
            self._relate(resource)
        for route in self.routes:
            if route.reading.under is None and not route.reading.search:
                self._root(query, route)
        for model in self.types.classes:
            name = self.types.names[model]
            self.bindings.models[name] = model
            for field_name, info in model.model_fields.items():
                self.bindings.fields[name, wire_name(info, field_name)] = field_name
        self.types.finish()
        return strawberry.type(query, name="Query", description="Read records. Your role decides which ones you see.")

    def name(self, resource: Resource) -> str:
        """Return the name of a resource's type."""
        return self.types.names[resource.read]

    def node(self, resource: Resource) -> type:
        """Return the class of a resource's type."""
        return self.types.classes[resource.read]

    def _root(self, query: type, route: ReadRoute) -> None:
        resource = route.reading.resource
        if route.reading.many:
            name = camel(resource.name)
            about = f"A page of the {words(resource.name)} that your role may see."
            self._page(query, "Query", name, Link(resource, many=True), about)
            return
        parameter = argument_of(re.findall(r"{(\w+)}", route.path)[0])
        name = camel(resource.singular)
        keys = "id" if resource.natural_key is None else f"id or {words(resource.natural_key)}"
        singular = words(resource.singular)
        argument = Argument(parameter, strawberry.ID, f"The {singular}'s {keys}.")
        define(query, name, Optional[self.node(resource)], f"One {singular}, by its {keys}.", [argument])  # noqa: UP045
        self.bindings.links["Query", name] = Link(resource, many=False, parameter=parameter)

    def _relate(self, resource: Resource) -> None:
        cls = self.node(resource)
        if resource.etag:
            define(
                cls,
                "version",
                int,
                "The record's version, which is its ETag over REST. Send it as `ifVersion` with a change.",
            )
        for relation_name, relation in resource.relations.items():
            target = self.resources[relation.target]
            name, link = camel(relation_name), Link(target, relation.many, relation)
            if relation.many:
                about = f"Its {words(relation_name)} that your role may see."
                self._page(cls, self.name(resource), name, link, about)
            else:
                about = f"Its {words(relation_name)}; null if there is none, or your role may not see it."
                define(cls, name, Optional[self.node(target)], about)  # noqa: UP045
                self.bindings.links[self.name(resource), name] = link

    def _page(self, cls: type, type_name: str, name: str, link: Link, description: str) -> None:
        define(cls, name, self.connections[link.resource.name], description, self._arguments(link.resource))
        self.bindings.links[type_name, name] = link

    def _connect(self, resource: Resource) -> None:
        name, many = self.name(resource), words(resource.name)
        edge = new_type(f"{name}Edge")
        define(edge, "node", self.node(resource), "The record.")
        define(edge, "cursor", str, "The record's place in the list: the same cursor as over REST.")
        strawberry.type(edge, name=f"{name}Edge", description=f"One record in a page of {many}.")
        page = self.connections[resource.name] = new_type(f"{name}Connection")
        define(page, "edges", list[edge], "The records of the page, in the order of `sort`.")  # type: ignore[valid-type]
        define(page, "pageInfo", PageInfo, "The place of the page in its list.")
        define(page, "totalCount", int, "The number of records on all pages.")
        for filter_name, lookup in resource.lookups.items():
            of_each: Any = list.__class_getitem__(self.types.classes[lookup.read])
            about = f"{lookup.description} Null without the argument `{camel(filter_name)}`."
            define(page, camel(lookup.name), Optional[of_each], about)  # noqa: UP045
            self.bindings.lookups[f"{name}Connection", camel(lookup.name)] = filter_name
        strawberry.type(page, name=f"{name}Connection", description=f"A page of {many}.")

    def _arguments(self, resource: Resource) -> list[Argument]:
        orders = self._orders(resource)
        default = next(member for member in orders if member.value == sort_name(resource.order))
        arguments = [
            Argument("first", int, f"How many records, 1 to {MAX_LIMIT}.", DEFAULT_LIMIT),
            Argument("after", Optional[str], "The cursor after which the page begins."),  # noqa: UP045
            Argument("sort", orders, "The order of the list.", default),
        ]
        named = {camel(name): name for name in resource.filters}
        self.bindings.filters[resource.name] = named
        for argument, name in named.items():
            declared = resource.filters[name]
            kind: Any = Optional[filter_type(declared.type_, name)]  # noqa: UP045
            arguments.append(Argument(argument, kind, declared.description))
        return arguments

    def _orders(self, resource: Resource) -> Any:
        name = f"{self.name(resource)}Sort"
        if name not in self.sorts:
            descriptions = {
                sort_name(order): f"`sort={order}` over REST."
                for sort in resource.sorts
                for order in (sort, f"-{sort}")
            }
            self.sorts[name] = choice(
                name, f"The possible orders of {words(resource.name)}.", list(descriptions), descriptions
            )
        return self.sorts[name]


def sort_name(order: str) -> str:
    """Convert an order to an enum value: `-submitted_at` to `SUBMITTED_AT_DESC`."""
    return f"{order.removeprefix('-').upper()}_{'DESC' if order.startswith('-') else 'ASC'}"


def parse_order(value: str) -> tuple[str, bool]:
    """Return the sort of an enum value, and whether it descends."""
    name, _, direction = value.rpartition("_")
    return name.lower(), direction == "DESC"
