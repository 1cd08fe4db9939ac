"""From a selection of records, as wide and deep as a caller asks, to one SQL statement that returns finished documents.

Each relation is a lateral sub-select of its parent's row, with its own predicate of reach, its own order and its own
limit; what is nested is aggregated where it stands. Fields behind walls that the caller does not pass are never read.
Beside its document every sub-select hands up the ids of the records that it shows and of the pupils they are about, for
the audit.

A statement sets its own row-security context: what it reads are steps, so that they run once the context is set. Plans
are cached by shape, never by value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from convenor.database.row_security import context_sql
from convenor.read_model.columns import Binder, Columns, joined, json_object
from convenor.read_model.encoders import (
    NEXT,
    asks_next,
    document_sql,
    edge_sql,
    gathered_sql,
    looks_ahead,
    tells_place,
)
from convenor.read_model.predicates import MOST_COUNTED, Parent, Predicates, is_about_one, order_by
from convenor.read_model.resource import Relation, Resource
from convenor.read_model.row_access import AccessProfile, accessible_rows
from convenor.read_model.row_access import Rows as Reached
from convenor.read_model.selection import (
    By,
    Constant,
    Edges,
    Next,
    Node,
    One,
    Page,
    Rows,
    Selection,
    Shown,
    Total,
    Version,
    Whole,
)
from convenor.security.principal import RowAccess


@dataclass(frozen=True)
class Under:
    """The record under whose path a list stands: `/v1/{parent}/{key}/{relation}`."""

    resource: Resource
    relation: Relation
    by: By


@dataclass(frozen=True)
class Shape:
    """Everything about a question of REST but its values: the key of its plan."""

    resource: Resource
    kind: Literal["one", "list", "find"]
    profile: AccessProfile
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
    """The statement for a question of REST.

    It returns what `compile_graph` does for one root; with it the record's `etag`, or the cursor of the `next` page. To
    find a record it returns `area_id` and `id` alone.
    """
    writer, resource = _Writer(shape.profile, hidden=""), shape.resource
    if shape.kind == "find":
        found = writer.found(resource, shape.by, "record")
        select = f"select t.area_id, {resource.identity('t')} as id from ({found}) t"
        return _statement(writer.binder, [select], [f"(select {name} from r0) as {name}" for name in ("area_id", "id")])
    whole = (Whole(shape.fields),)
    if shape.kind == "one":
        return _answer(writer, [writer.one(One("", resource, whole, by=shape.by, at="record"), etag=True)], ["etag"])
    shows: tuple[Shown, ...] = (Rows("data", whole), Next("next"))
    if shape.count:
        shows = (*shows, Total("count"))
    how = shape.sort, shape.descending, shape.filters, shape.after
    if shape.under is None:
        return _answer(writer, [writer.page(Page("", resource, shows, None, *how, at="list"))], ["next"])
    page = Page("", resource, shows, None, *how, relation=shape.under.relation, at="list")
    parent = writer.found(shape.under.resource, shape.under.by, "parent")
    select = writer.page(page, (shape.under.resource, "p$"))
    return _answer(writer, [f"select l$.* from ({parent}) p$ cross join lateral ({select}) l$"], ["next"])


@lru_cache(maxsize=512)
def compile_graph(roots: tuple[One | Page, ...], profile: AccessProfile) -> Plan:
    """The statement for some roots.

    It returns `d0`, `d1` ... (the bytes of each root's JSON, `null` where a record is not there), and `ids` and
    `subjects`: text, with commas between; for a caller of several areas, each id with a space and its area behind it.
    """
    writer = _Writer(profile, hidden="null")
    return _answer(writer, [writer.link(root, None) for root in roots])


_SEEN = ("ids", "subjects")


def _answer(writer: "_Writer", selects: Sequence[str], beside: Sequence[str] = ()) -> Plan:
    """A statement for documents; `beside` are further columns of the first."""
    outputs = [
        f"convert_to(coalesce((select doc::text from r{at}), 'null'), 'UTF8') as d{at}" for at in range(len(selects))
    ]
    for name in _SEEN:
        shown = ", ".join(f"(select {name} from r{at})" for at in range(len(selects)))
        outputs.append(f"concat_ws(',', {shown}) as {name}")
    return _statement(writer.binder, selects, outputs + [f"(select {name} from r0) as {name}" for name in beside])


def _statement(binder: Binder, selects: Sequence[str], outputs: Sequence[str]) -> Plan:
    steps = [f"ctx as materialized (select {context_sql()})"]
    steps += [f"r{at} as materialized ({select})" for at, select in enumerate(selects)]
    return Plan(f"with {', '.join(steps)} select {', '.join(outputs)} from ctx", tuple(binder.names))


@dataclass
class _Record:
    """One record of the statement: what stands beside its row, and what is selected of it."""

    laterals: list[str] = field(default_factory=list)
    columns: str = ""
    children: list[str] = field(default_factory=list)


@dataclass
class _Gathered:
    """What is gathered of a page's records: columns, and of them those that are lists, by key; and where it is read."""

    columns: list[str]
    lists: Mapping[str, str] = field(default_factory=dict)
    found: str = ""
    source: str = ""


class _Writer:
    """Writes the selects of one statement. Each gives one row: `doc`, and what the audit is told.

    Args:
        standing: the caller's.
        hidden: what stands in the place of a field that the caller does not see; empty to leave it out.
    """

    def __init__(self, profile: AccessProfile, hidden: str) -> None:
        self.profile, self.binder, self.numbered = profile, Binder(), 0
        self.columns = Columns(profile.clearances, self.binder, hidden)
        self.conditions = Predicates(profile, self.binder)

    def found(self, resource: Resource, by: By, at: str) -> str:
        """The row of one record, by its name."""
        named = [self.conditions.named(resource, by, at)]
        return accessible_rows(self.conditions.rows(resource), self.binder, named, limit="limit 1")

    def link(self, link: One | Page, parent: Parent | None) -> str:
        """One record or one page."""
        return self.one(link, parent) if isinstance(link, One) else self.page(link, parent)

    def one(self, one: One, parent: Parent | None = None, *, etag: bool = False) -> str:
        """One record, with its `etag` if it is asked; no row where it is not there."""
        if one.relation and parent:
            conditions = self.conditions.join_predicate(one.relation, one.resource, parent)
            found = accessible_rows(self.conditions.rows(one.resource), self.binder, conditions, limit="limit 1")
        else:
            found = self.found(one.resource, one.by, one.at)
        alias = self._alias("n")
        record = self._record(one.resource, one.selection, alias)
        outputs = [f"{json_object([record.columns])} as doc", *self._seen(one.resource, alias, record.children)]
        if etag:
            outputs.append(f"{alias}.{one.resource.etag}::text as etag" if one.resource.etag else "null::text as etag")
        return f"select {', '.join(outputs)} from ({found}) {alias} {' '.join(record.laterals)}"

    def page(self, page: Page, parent: Parent | None = None) -> str:
        """A page of records, with its `next` if that is asked."""
        read, seen = _Gathered([f"null::text as {name}" for name in _SEEN]), [f"y.{name}" for name in _SEEN]
        # Where nothing is read, nothing is bound: a statement has no parameter that it does not use.
        if not all(isinstance(item, Constant) for item in page.shows):
            rows, conditions, whole = self.conditions.rows(page.resource), list[str](), True
            if page.relation and parent:
                conditions, whole = self.conditions.join_predicate(page.relation, page.resource, parent), False
            conditions += self.conditions.filtered(page.resource, page.filters, rows, page.at, whole=whole)
            if not all(isinstance(item, Constant | Total) for item in page.shows):
                read = self._gathered(page, rows, conditions)
            if any(isinstance(item, Total) for item in page.shows):
                total = accessible_rows(rows, self.binder, conditions, columns="count(*)", total=True)
                read.columns.append(f"({total}) as total_count")
                if is_about_one(page.resource, page.filters):
                    read.columns += self._counted(page, rows, conditions)
                    seen = [f"nullif(concat_ws(',', y.{name}, y.counted_{name}), '') as {name}" for name in _SEEN]
        outputs = [f"{document_sql(page, read.lists)} as doc", *seen, *([f"{NEXT} as next"] if asks_next(page) else [])]
        return f"select {', '.join(outputs)} from ({read.found}select {', '.join(read.columns)} {read.source}) y"

    def _gathered(self, page: Page, rows: Reached, conditions: list[str]) -> _Gathered:
        """What is gathered of the records of a page."""
        alias, size = self._alias("n"), str(page.first or self.binder.bind(f"{page.at}.limit", "int"))
        lists, record = self._lists(page, alias)
        columns = [f"{column} as {column}" for column in lists.values()]
        columns += self._seen(page.resource, alias, record.children)
        how = page.resource, page.sort, page.descending
        if page.after:
            conditions = [*conditions, self.conditions.beyond(*how, f"{page.at}.after")]
        ahead = " + 1" if looks_ahead(page) else ""
        found = accessible_rows(rows, self.binder, conditions, order=order_by(*how), limit=f"limit {size}{ahead}")
        name, step = self._alias("f"), ""
        if tells_place(page):
            found, step = f"select * from {name} limit {size}", f"with {name} as materialized ({found}) "
        # A join that two parts ask for stands once.
        beside = " ".join(dict.fromkeys(record.laterals))
        gathered = gathered_sql(page, lists, name, size) + [f"string_agg(x.{seen}, ',') as {seen}" for seen in _SEEN]
        return _Gathered(gathered, lists, step, f"from (select {', '.join(columns)} from ({found}) {alias} {beside}) x")

    def _lists(self, page: Page, alias: str) -> tuple[dict[str, str], _Record]:
        """The column of each list of a page, by key; and what the records in them need beside their row `alias`."""
        lists, beside = dict[str, str](), _Record()
        for item in page.shows:
            if isinstance(item, Rows):
                lists[item.key] = self._object(page.resource, item.selection, alias, beside)
            elif isinstance(item, Edges):
                nodes = {
                    it.key: self._object(page.resource, it.selection, alias, beside)
                    for it in item.shows
                    if isinstance(it, Node)
                }
                edge = lists[item.key] = self._alias("e")
                beside.laterals.append(f"cross join lateral (select {edge_sql(page, item, nodes, alias)}) {edge}")
        return lists, beside

    def _object(self, resource: Resource, selection: Selection, alias: str, beside: _Record) -> str:
        """The column of a record, which stands beside its row."""
        record, column = self._record(resource, selection, alias), self._alias("o")
        beside.children += record.children
        beside.laterals += [*record.laterals, f"cross join lateral (select {record.columns}) {column}"]
        return column

    def _counted(self, page: Page, rows: Reached, conditions: list[str]) -> list[str]:
        """What the audit is told of the records on all pages."""
        alias, limit = self._alias("n"), f"limit {MOST_COUNTED}"
        counted = f"({accessible_rows(rows, self.binder, conditions, limit=limit)}) {alias}"
        return [
            f"(select string_agg(m.{name}, ',') from (select {column} from {counted}) m) as counted_{name}"
            for name, column in zip(_SEEN, self._seen(page.resource, alias, []), strict=True)
        ]

    def _record(self, resource: Resource, selection: Selection, alias: str) -> _Record:
        laterals, children, columns = list[str](), list[str](), list[str]()
        for item in selection:
            if isinstance(item, One | Page):
                child = self._alias("c")
                children.append(child)
                laterals.append(f"left join lateral ({self.link(item, (resource, alias))}) {child} on true")
                columns.append(f'{child}.doc as "{item.key}"')
            elif isinstance(item, Version):
                columns.append(f'{alias}."{resource.etag}" as "{item.key}"')
            elif isinstance(item, Whole):
                columns += self.columns.of_resource(resource, alias, item.wanted)
            else:
                columns += self.columns.of_model(resource.read, resource, alias, "", (item,))
        written, joins = joined(resource, ", ".join(columns), self.binder, alias)
        return _Record(joins + laterals, written, children)

    def _seen(self, resource: Resource, alias: str, children: list[str]) -> list[str]:
        """The columns of a row that the audit is told: the row's own id, and what hangs on it."""
        own = [resource.identity(alias), self.binder.fill(resource.subject, alias) if resource.subject else ""]
        columns = []
        for name, identity in zip(_SEEN, own, strict=True):
            parts = [self._told(resource, alias, identity)] if identity else []
            parts += [f"{child}.{name}" for child in children]
            # A part that is absent leaves no comma; a row of which nothing is told leaves nothing.
            told = f"nullif(concat_ws(',', {', '.join(parts)}), '')" if len(parts) > 1 else "".join(parts)
            columns.append(f"{told or 'null::text'} as {name}")
        return columns

    def _told(self, resource: Resource, alias: str, identity: str) -> str:
        if RowAccess.AREA not in self.profile.several:
            return f"({identity})::text"
        if resource.of_area:
            return f"({identity})::text || ' ' || {alias}.area_id"
        # What is of no area is told to each area that the caller works in.
        areas = self.binder.bind("context.areas", "text")
        return f"(select string_agg(({identity})::text || ' ' || a$, ',') from unnest(({areas})::uuid[]) a$)"

    def _alias(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}${self.numbered}"
