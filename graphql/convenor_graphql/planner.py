"""Turn an operation into selections that the read model compiles, one for each of its top-level fields.

graphql-core resolves fragments, `@include`, `@skip`, merging and arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    get_argument_values,
    get_named_type,
)
from graphql.execution.collect_fields import FieldDetails, FieldDetailsList, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from pydantic import ValidationError

from convenor.problems import FieldErrors, NotFound
from convenor.read_model.execute import name_record
from convenor.read_model.list_query import MAX_LIMIT, read_cursor
from convenor.read_model.resource import Resource
from convenor.read_model.selection import (
    Constant,
    Cursor,
    Edges,
    Found,
    Node,
    One,
    Page,
    PageInfo,
    Pick,
    Selection,
    Total,
    Version,
)
from convenor.security.principal import FieldSensitivity
from convenor_graphql.limits import Document
from convenor_graphql.mutations import Mutation
from convenor_graphql.object_types import Link, parse_order
from convenor_graphql.problems import QueryTooLarge
from convenor_graphql.scalars import plain
from convenor_graphql.schema import GraphQLApi

MAX_COST = 100_000
"""How many records the answer to one query may hold."""
MAX_VALUES = 1_000_000
"""How many fields those records may have in total."""
MAX_LINKS = 20
"""Links of one record to others. The time to plan them grows with their cube."""
MAX_ROOTS = 50
"""Top-level fields of an operation."""
COST_OF_A_TOTAL = 100
"""The cost of counting a list, which reads beyond the page."""


@dataclass(frozen=True)
class IntrospectionField:
    """A field about the schema itself, which graphql-core answers."""

    key: str
    nodes: tuple[FieldNode, ...]


@dataclass(frozen=True)
class Change:
    """A mutation, with the selection of its payload."""

    key: str
    mutation: Mutation
    arguments: Mapping[str, Any]
    payload: tuple[One | Constant, ...]

    @property
    def records(self) -> tuple[One, ...]:
        """Return the record that was written, as often as the payload shows it."""
        return tuple(item for item in self.payload if isinstance(item, One))


@dataclass
class PlannedSelection:
    """A planned operation."""

    fields: list[One | Page | Constant | IntrospectionField | Change] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    scopes: dict[str, None] = field(default_factory=dict)
    """The scopes that the token needs, in the order of the document."""
    sensitive_filters: list[tuple[str, FieldSensitivity]] = field(default_factory=list)
    """The pointer of each filter by a sensitive field, with the clearance that it needs."""
    cost: int = 0
    """Records that the answer may hold."""
    size: int = 0
    """Fields that those records may have."""


def plan_selection(
    api: GraphQLApi, document: Document, operation: OperationDefinitionNode, variables: VariableValues
) -> PlannedSelection:
    """Plan an operation.

    Raises:
        Invalid: with every invalid argument, by a pointer of response keys and the argument.
        QueryTooLarge: the answer may hold more records than one request may ask for.
    """
    planner = _Planner(api, document, operation, variables)
    planner.run()
    planner.errors.raise_if_any()
    for number, most, what in (
        (planner.planned.cost, MAX_COST, "records"),
        (planner.planned.size, MAX_VALUES, "values"),
    ):
        if number > most:
            raise QueryTooLarge(
                f"The answer may hold {number:,} {what}; the limit is {most:,}. Request fewer records with `first`."
            )
    return planner.planned


class _Planner:
    """Plan one operation."""

    def __init__(
        self, api: GraphQLApi, document: Document, operation: OperationDefinitionNode, variables: VariableValues
    ) -> None:
        self.api, self.bindings = api, api.bindings
        self.document, self.operation, self.variables = document, operation, variables
        self.planned, self.errors = PlannedSelection(), FieldErrors()

    def run(self) -> None:
        writes = self.operation.operation is OperationType.MUTATION
        root = self.api.types.mutation_type if writes else self.api.types.query_type
        assert root is not None
        collected = collect_fields(self.api.types, self.document.fragments, self.variables, root, self.operation)
        if len(collected.grouped_field_set) > MAX_ROOTS:
            raise QueryTooLarge(f"The operation has more than {MAX_ROOTS} top-level fields.")
        for key, details in collected.grouped_field_set.items():
            name = details[0].node.name.value
            if name == "__typename":
                self.planned.fields.append(Constant(key, root.name))
            elif name.startswith("__"):
                self.planned.fields.append(
                    IntrospectionField(key, tuple(field_details.node for field_details in details))
                )
            elif writes:
                self.planned.fields.append(self._change(key, root, details))
            else:
                self.planned.fields.append(self._link(key, root, details, f"/{key}", 1))

    def _change(self, key: str, root: GraphQLObjectType, details: FieldDetailsList) -> Change:
        name = details[0].node.name.value
        payload = self._type(root, name)
        shows: list[One | Constant] = []
        for inner, inner_details in self._fields(payload, details).items():
            inner_name = inner_details[0].node.name.value
            if inner_name == "__typename":
                shows.append(Constant(inner, payload.name))
            else:
                link = self.bindings.links[payload.name, inner_name]
                at = f"/{key}/{inner}"
                selection = self._record(link.resource, self._type(payload, inner_name), inner_details, at, 1)
                shows.append(One(inner, link.resource, selection, at=at))
        return Change(key, self.api.mutations[name], self._arguments(root, details[0]), tuple(shows))

    def _link(self, key: str, parent: GraphQLObjectType, details: FieldDetailsList, at: str, times: int) -> One | Page:
        name = details[0].node.name.value
        link = self.bindings.links[parent.name, name]
        self.planned.scopes[link.resource.read_scope] = None
        arguments, target = self._arguments(parent, details[0]), self._type(parent, name)
        if link.many:
            return self._page(key, link, target, details, arguments, at, times)
        self.planned.cost += times
        selection = self._record(link.resource, target, details, at, times)
        if link.relation:
            return One(key, link.resource, selection, link.relation, at=at)
        try:
            by, key_value = name_record(link.resource, arguments[link.parameter], at)
        except NotFound:
            by, key_value = "id", {f"{at}.id": None}
        self.planned.values |= key_value
        return One(key, link.resource, selection, by=by, at=at)

    def _page(
        self,
        key: str,
        link: Link,
        target: GraphQLObjectType,
        details: FieldDetailsList,
        arguments: Mapping[str, Any],
        at: str,
        times: int,
    ) -> Page:
        resource = link.resource
        first = arguments["first"]
        if not 1 <= first <= MAX_LIMIT:
            self.errors.add(f"{at}/first", "limit", f"`first` is a whole number from 1 to {MAX_LIMIT}.")
            first = 1
        sort, descending = parse_order(arguments["sort"])
        after = arguments.get("after")
        if after is not None:
            order = f"{'-' if descending else ''}{sort}"
            place = read_cursor(after, order, resource.sorts[sort], self.errors, f"{at}/after")
            self.planned.values |= {f"{at}.{name}": value for name, value in place.items()}
        filters = self._filters(resource, arguments, at)
        shows = tuple(self._shows(resource, target, details, at, times, first))
        return Page(key, resource, shows, first, sort, descending, filters, after is not None, link.relation, at)

    def _shows(
        self, resource: Resource, target: GraphQLObjectType, details: FieldDetailsList, at: str, times: int, first: int
    ) -> Iterator[Edges | PageInfo | Total | Found | Constant]:
        for key, inner_details in self._fields(target, details).items():
            name = inner_details[0].node.name.value
            if name == "edges":
                self.planned.cost += times * first
                edge = self._type(target, name)
                yield Edges(key, tuple(self._edge(resource, edge, inner_details, f"{at}/{key}", times * first)))
            elif name == "pageInfo":
                info = self._type(target, name)
                places: Any = {
                    inner: place[0].node.name.value for inner, place in self._fields(info, inner_details).items()
                }
                yield PageInfo(
                    key,
                    tuple(
                        Constant(inner, info.name) if place == "__typename" else (inner, place)
                        for inner, place in places.items()
                    ),
                )
            elif name == "totalCount":
                self.planned.cost += times * COST_OF_A_TOTAL
                yield Total(key)
            elif (target.name, name) in self.bindings.lookups:
                filter_name = self.bindings.lookups[target.name, name]
                within = resource.lookups[filter_name].read, self._object(self._type(target, name), inner_details)
                yield Found(key, filter_name, Pick(key, name, (within,)))
            else:
                yield Constant(key, target.name)

    def _edge(
        self, resource: Resource, edge: GraphQLObjectType, details: FieldDetailsList, at: str, times: int
    ) -> Iterator[Node | Cursor | Constant]:
        for key, inner_details in self._fields(edge, details).items():
            name = inner_details[0].node.name.value
            if name == "node":
                yield Node(key, self._record(resource, self._type(edge, name), inner_details, f"{at}/{key}", times))
            else:
                yield Cursor(key) if name == "cursor" else Constant(key, edge.name)

    def _record(
        self, resource: Resource, target: GraphQLObjectType, details: FieldDetailsList, at: str, times: int
    ) -> Selection:
        selection: list[Pick | Version | Constant | One | Page] = []
        for key, inner_details in self._fields(target, details).items():
            name = inner_details[0].node.name.value
            if name == "__typename":
                selection.append(Constant(key, target.name))
            elif (target.name, name) in self.bindings.links:
                selection.append(self._link(key, target, inner_details, f"{at}/{key}", times))
            elif (target.name, name) in self.bindings.fields:
                selection.append(self._pick(key, target, inner_details))
            else:
                selection.append(Version(key))
        if sum(isinstance(item, One | Page) for item in selection) > MAX_LINKS:
            raise QueryTooLarge(f"{at[1:]} selects more than {MAX_LINKS} links of one record.")
        self.planned.size += times * len(selection)
        return tuple(selection)

    def _pick(self, key: str, parent: GraphQLObjectType, details: FieldDetailsList) -> Pick:
        name = details[0].node.name.value
        named = get_named_type(parent.fields[name].type)
        members = named.types if isinstance(named, GraphQLUnionType) else (named,)
        within = tuple(
            (self.bindings.models[member.name], self._object(member, details))
            for member in members
            if isinstance(member, GraphQLObjectType)
        )
        return Pick(key, self.bindings.fields[parent.name, name], within)

    def _object(self, target: GraphQLObjectType, details: FieldDetailsList) -> Selection:
        return tuple(
            Constant(key, target.name)
            if inner_details[0].node.name.value == "__typename"
            else self._pick(key, target, inner_details)
            for key, inner_details in self._fields(target, details).items()
        )

    def _filters(self, resource: Resource, arguments: Mapping[str, Any], at: str) -> tuple[str, ...]:
        given = []
        for argument, name in self.bindings.filters[resource.name].items():
            if arguments.get(argument) is None:
                continue
            declared = resource.filters[name]
            try:
                self.planned.values[f"{at}.{name}"] = declared.adapter.validate_python(arguments[argument])
            except ValidationError as error:
                self.errors.add(f"{at}/{argument}", error.errors()[0]["type"], error.errors()[0]["msg"])
            if declared.sensitivity:
                self.planned.sensitive_filters.append((f"{at}/{argument}", declared.sensitivity))
            given.append(name)
        return tuple(given)

    def _arguments(self, parent: GraphQLObjectType, details: FieldDetails) -> dict[str, Any]:
        node = details.node
        values = get_argument_values(parent.fields[node.name.value], node, self.variables)
        return {name: plain(value) for name, value in values.items()}

    def _fields(self, target: GraphQLObjectType, details: FieldDetailsList) -> Mapping[str, FieldDetailsList]:
        types, fragments = self.api.types, self.document.fragments
        return collect_subfields(types, fragments, self.variables, self.operation, target, details).grouped_field_set

    def _type(self, parent: GraphQLObjectType, name: str) -> GraphQLObjectType:
        named = get_named_type(parent.fields[name].type)
        assert isinstance(named, GraphQLObjectType)
        return named
