"""From a declaration and a selection to one SQL statement that returns finished JSON.

A statement sets its own row-security context, carries the reach of the caller as an explicit predicate on every table
it pages through, leaves out the fields behind walls that the caller does not pass, and returns beside the bytes what
the audit must know: the ids of the records and of the pupils they are about. Plans are cached by shape, never by value.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from convenor.kit.context import context_sql
from convenor.kit.reading.columns import Binder, Columns, joined
from convenor.kit.reading.conditions import MOST_COUNTED, Conditions, is_about_one, order_by
from convenor.kit.reading.declare import Relation, Resource
from convenor.kit.reading.reach import Standing, rows_within
from convenor.kit.reading.selection import By


@dataclass(frozen=True)
class Under:
    """The record under whose path a list stands: `/v1/{parent}/{key}/{relation}`."""

    resource: Resource
    relation: Relation
    by: By


@dataclass(frozen=True)
class Shape:
    """Everything about a question but its values: the key of its plan."""

    resource: Resource
    kind: Literal["one", "list", "find"]
    standing: Standing
    fields: frozenset[str] | None = None
    filters: tuple[str, ...] = ()
    sort: str = ""
    descending: bool = False
    after: bool = False
    count: bool = False
    by: By = "id"
    under: Under | None = None


@dataclass(frozen=True)
class Plan:
    """A statement and the names of its parameters, in order."""

    sql: str
    parameters: tuple[str, ...]


@lru_cache(maxsize=2048)
def compile_plan(shape: Shape) -> Plan:
    """The statement for a shape."""
    writer = _Writer(shape)
    outputs = {"find": writer.find, "one": writer.one, "list": writer.many}[shape.kind]()
    if shape.under:
        outputs.append("(select p$.parent_id from parent p$) as parent")
    sql = f"with {', '.join(writer.steps)} select {', '.join(outputs)} from ctx"
    return Plan(sql, tuple(writer.binder.names))


class _Writer:
    """Writes one statement: first steps (context, parent, page), then what it returns of the page."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.resource, self.binder = shape, shape.resource, Binder()
        self.conditions = Conditions(shape.standing, self.binder)
        self.rows = self.conditions.rows(self.resource)
        self.identity = self.resource.identity("t")
        self.steps = [f"ctx as materialized (select {context_sql()})"]
        if shape.under:
            self.steps.append(self._parent(shape.under))

    def find(self) -> list[str]:
        """The key of one record."""
        self._record()
        return ["(select t.area_id from page t) as area_id", f"(select {self.identity} from page t) as id"]

    def one(self) -> list[str]:
        """One record."""
        self._record()
        outputs = [self._body("row_to_json(r)::text", "page"), *self._seen("page")]
        if self.resource.etag:
            outputs.append(f"(select t.{self.resource.etag}::text from page t) as etag")
        return outputs

    def many(self) -> list[str]:
        """A page of records, one more looked up to know whether there is a next."""
        shape, conditions = self.shape, list[str]()
        if shape.under:
            conditions += self.conditions.hanging(shape.under.relation, self.resource, (shape.under.resource, "p$"))
        whole = shape.under is None
        conditions += self.conditions.filtered(self.resource, shape.filters, self.rows, "filter", whole=whole)
        limit, how = self.binder.bind("limit", "int"), (self.resource, shape.sort, shape.descending)
        keyset = [self.conditions.beyond(*how, "after")] if shape.after else []
        self._page(conditions + keyset, order=order_by(*how), limit=f"limit {limit} + 1")
        shown, column = f"(select * from page limit {limit})", self.resource.sorts[shape.sort].column
        told = self._counted(conditions) if shape.count and is_about_one(self.resource, shape.filters) else shown
        last = f"select t.\"{column}\"::text || ' ' || {self.identity} from page t offset {limit} - 1 limit 1"
        outputs = [
            self._body("coalesce(json_agg(r), '[]')::text", shown),
            *self._seen(told),
            f"case when (select count(*) from page) > {limit} then ({last}) end as next",
        ]
        if shape.count:
            total = rows_within(self.rows, self.binder, conditions, columns="count(*)", total=True)
            outputs.append(f"(select ({total}) from parent p$) as count" if shape.under else f"({total}) as count")
        return outputs

    def _counted(self, conditions: list[str]) -> str:
        """What a list holds on all its pages."""
        counted = rows_within(self.rows, self.binder, conditions, limit=f"limit {MOST_COUNTED}")
        return f"(select t.* from parent p$ cross join lateral ({counted}) t)" if self.shape.under else f"({counted})"

    def _record(self) -> None:
        self._page([self.conditions.named(self.resource, self.shape.by, "record")], limit="limit 1")

    def _page(self, conditions: list[str], order: str = "", limit: str = "") -> None:
        page = rows_within(self.rows, self.binder, conditions, order=order, limit=limit)
        if self.shape.under:
            # There is one parent at most, so that the page keeps its order.
            page = f"select t.* from parent p$ cross join lateral ({page}) t"
        self.steps.append(f"page as materialized ({page})")

    def _body(self, aggregate: str, shown: str) -> str:
        written = Columns(self.shape.standing.walls, self.binder).of_resource(self.resource, self.shape.fields)
        columns, joins = joined(self.resource, written, self.binder, "t")
        rows = f"select {columns} from {shown} t {' '.join(joins)}"
        return f"convert_to((select {aggregate} from ({rows}) r), 'UTF8') as body"

    def _seen(self, shown: str) -> list[str]:
        """What the audit is told: ids, whom they are about, and their areas where there are several."""
        outputs = [f"(select string_agg({self.identity}::text, ',') from {shown} t) as ids"]
        if self.resource.subject:
            subject = self.binder.fill(self.resource.subject, "t")
            about = f"(select distinct {subject} as id, t.area_id from {shown} t) s where s.id is not null"
            outputs.append(f"(select string_agg(s.id::text, ',' order by s.id) from {about}) as subjects")
            if self.rows.several:
                outputs.append(f"(select array_agg(s.area_id order by s.id) from {about}) as subject_areas")
        if self.rows.several and self.resource.of_area:
            outputs.append(f"(select array_agg(t.area_id) from {shown} t) as areas")
        return outputs

    def _parent(self, under: Under) -> str:
        columns = f"t.*, {under.resource.identity('t')} as parent_id"
        named = [self.conditions.named(under.resource, under.by, "parent")]
        rows = self.conditions.rows(under.resource)
        return f"parent as materialized ({rows_within(rows, self.binder, named, columns=columns, limit='limit 1')})"
