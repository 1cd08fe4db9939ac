"""From a declaration and a selection to one SQL statement that returns finished JSON.

A statement sets its own row-security context, carries the reach of the caller as an explicit predicate on every table
it pages through, leaves out the fields behind walls that the caller does not pass, and returns beside the bytes what
the audit must know: the ids of the records and of the pupils they are about. Plans are cached by shape, never by value.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from convenor.kit.context import context_sql
from convenor.kit.principal import Reach, Wall
from convenor.kit.reading.columns import Binder, Columns, joined
from convenor.kit.reading.declare import Resource
from convenor.kit.reading.reach import Rows, area_sql, rows_within
from convenor.kit.reading.selection import By

Conditions = list[str]


@dataclass(frozen=True)
class Parent:
    """The record under whose path a list stands: `/v1/{parent}/{key}/{relation}`."""

    resource: Resource
    reach: Reach
    relation: str
    by: By


@dataclass(frozen=True)
class Shape:
    """Everything about a question but its values: the key of its plan."""

    resource: Resource
    kind: Literal["one", "list", "find"]
    reach: Reach
    several: bool
    """Whether the caller reaches several areas, schools or providers."""
    walls: frozenset[Wall] = frozenset()
    fields: frozenset[str] | None = None
    filters: tuple[str, ...] = ()
    own: str | None = None
    sort: str = ""
    descending: bool = False
    after: bool = False
    count: bool = False
    by: By = "id"
    parent: Parent | None = None


@dataclass(frozen=True)
class Plan:
    """A statement and the names of its parameters, in order."""

    sql: str
    parameters: tuple[str, ...]


@lru_cache(maxsize=2048)
def compile_plan(shape: Shape) -> Plan:
    """The statement for a shape."""
    writer = _Writer(shape)
    outputs = {"find": writer.find, "one": writer.one, "list": writer.list}[shape.kind]()
    if shape.parent:
        outputs.append("(select p.parent_id from parent p) as parent")
    sql = f"with {', '.join(writer.steps)} select {', '.join(outputs)} from ctx"
    return Plan(sql, tuple(writer.binder.names))


class _Writer:
    """Writes one statement: first steps (context, parent, page), then what it returns of the page."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.resource, self.binder = shape, shape.resource, Binder()
        self.rows = self._rows(self.resource, shape.reach)
        self.identity = self.resource.id_sql.replace("{t}", "t")
        self.steps = [f"ctx as materialized (select {context_sql()})"]
        if shape.parent:
            self.steps.append(self._parent(shape.parent))

    def _rows(self, resource: Resource, reach: Reach) -> Rows:
        within = self.binder.fill(resource.within_clusters, "t") if reach is Reach.CLUSTER else ""
        return Rows(resource.table, resource.of_area, reach, self.shape.several, within)

    def find(self) -> list[str]:
        """The key of one record."""
        self._page([self._named(self.resource, self.shape.by)], limit="limit 1")
        return ["(select t.area_id from page t) as area_id", f"(select {self.identity} from page t) as id"]

    def one(self) -> list[str]:
        """One record."""
        self._page([self._named(self.resource, self.shape.by)], limit="limit 1")
        outputs = [self._body("row_to_json(r)::text", "page"), *self._seen("page")]
        if self.resource.etag:
            outputs.append(f"(select t.{self.resource.etag}::text from page t) as etag")
        return outputs

    def list(self) -> list[str]:
        """A page of records, one more looked up to know whether there is a next."""
        sort, conditions, limit = (
            self.resource.sorts[self.shape.sort],
            self._conditions(),
            self.binder.bind("limit", "int"),
        )
        way, beyond = ("desc", "<") if self.shape.descending else ("asc", ">")
        keyset = []
        if self.shape.after:
            after, tie = self.binder.bind("after.value", sort.cast), self.binder.bind("after.id", "uuid")
            keyset.append(f'(t."{sort.column}", {self.identity}) {beyond} ({after}, {tie})')
        order = f'order by t."{sort.column}" {way}, {self.identity} {way}'
        self._page(conditions + keyset, order=order, limit=f"limit {limit} + 1")
        shown = f"(select * from page limit {limit})"
        last = f"select t.\"{sort.column}\"::text || ' ' || {self.identity} from page t offset {limit} - 1 limit 1"
        outputs = [
            self._body("coalesce(json_agg(r), '[]')::text", shown),
            *self._seen(shown),
            f"case when (select count(*) from page) > {limit} then ({last}) end as next",
        ]
        if self.shape.count:
            total = rows_within(self.rows, self.binder, conditions, columns="count(*)", total=True)
            outputs.append(f"({total}) as count")
        return outputs

    def _page(self, conditions: Conditions, order: str = "", limit: str = "") -> None:
        page = rows_within(self.rows, self.binder, conditions, order=order, limit=limit)
        self.steps.append(f"page as materialized ({page})")

    def _body(self, aggregate: str, shown: str) -> str:
        columns = Columns(self.shape.walls, self.binder).of_resource(self.resource, self.shape.fields)
        joins = " ".join(joined(self.resource, columns, self.binder, "t"))
        return f"convert_to((select {aggregate} from (select {columns} from {shown} t {joins}) r), 'UTF8') as body"

    def _seen(self, shown: str) -> Conditions:
        """What the audit is told: ids, whom they are about, and their areas where there are several."""
        outputs = [f"(select string_agg({self.identity}::text, ',') from {shown} t) as ids"]
        if self.resource.subject:
            subject = self.binder.fill(self.resource.subject, "t")
            about = f"(select distinct {subject} as id, t.area_id from {shown} t) s where s.id is not null"
            outputs.append(f"(select string_agg(s.id::text, ',' order by s.id) from {about}) as subjects")
            if self.shape.several:
                outputs.append(f"(select array_agg(s.area_id order by s.id) from {about}) as subject_areas")
        if self.shape.several and self.resource.of_area:
            outputs.append(f"(select array_agg(t.area_id) from {shown} t) as areas")
        return outputs

    def _conditions(self) -> Conditions:
        conditions = []
        for name, it in self.resource.filters.items():
            if name in self.shape.filters:
                sql = self.binder.fill(it.sql, "t").replace("{v}", self.binder.bind(f"filter.{name}", it.cast))
                conditions.append(sql.replace("{area}", area_sql(self.rows, self.binder)) if "{area}" in sql else sql)
            elif it.otherwise:
                conditions.append(self.binder.fill(it.otherwise, "t"))
        if self.shape.own:
            conditions.append(self.binder.fill(self.shape.own, "t"))
        if self.shape.parent:
            relation = self.shape.parent.resource.relations[self.shape.parent.relation]
            conditions += [f't."{theirs}" = (select p."{ours}" from parent p)' for theirs, ours in relation.on.items()]
        return conditions

    def _parent(self, parent: Parent) -> str:
        resource = parent.resource
        rows = self._rows(resource, parent.reach)
        columns = f"t.*, {resource.id_sql.replace('{t}', 't')} as parent_id"
        named = [self._named(resource, parent.by, "parent")]
        return f"parent as materialized ({rows_within(rows, self.binder, named, columns=columns, limit='limit 1')})"

    def _named(self, resource: Resource, by: By, name: str = "record") -> str:
        if by == "id":
            return f"{resource.id_sql.replace('{t}', 't')} = {self.binder.bind(f'{name}.id', 'uuid')}"
        return f't."{resource.natural_key}" = {self.binder.bind(f"{name}.key", "text")}'
