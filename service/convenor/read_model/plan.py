"""Compile a selection of records, of any breadth and depth, into one SQL statement that returns JSON documents.

Each relation is a lateral sub-select of its parent's row, with its own row-access predicate, order and limit. Fields
that the caller has no clearance for are never read. With its document, every sub-select returns the ids of its records
and of the statements about their pupils, for the audit.

A statement sets its own row-security context. It reads in materialized steps, so that they run after the context is
set. Plans are cached by shape, never by value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal

from convenor.database.row_security import context_sql
from convenor.read_model.columns import Binder, Columns, joined, json_object
from convenor.read_model.encoders import (
    NEXT,
    aggregates_sql,
    document_sql,
    edge_sql,
    looks_ahead,
    shows_next,
    shows_place,
)
from convenor.read_model.predicates import HASHED, MAX_AUDITED_TOTAL, Parent, Predicates, order_by, searches_one_pupil
from convenor.read_model.resource import Relation, Resource
from convenor.read_model.row_access import AccessibleRows, AccessProfile, accessible_count, accessible_rows
from convenor.read_model.sealed_fields import Site
from convenor.read_model.selection import (
    By,
    Constant,
    Edges,
    Found,
    FullRecord,
    Next,
    Node,
    One,
    Page,
    Pick,
    Rows,
    Selection,
    Shown,
    Total,
    Version,
)
from convenor.security.principal import RowAccess


@dataclass(frozen=True)
class ParentRecord:
    """The parent record in the path of a list: `/v1/{parent}/{key}/{relation}`."""

    resource: Resource
    relation: Relation
    by: By


@dataclass(frozen=True)
class Shape:
    """A REST request without its values, as the cache key of its plan."""

    resource: Resource
    kind: Literal["one", "list"]
    profile: AccessProfile
    fields: frozenset[str] | None = None
    filters: tuple[str, ...] = ()
    sort: str = ""
    descending: bool = False
    after: bool = False
    count: bool = False
    by: By = "id"
    under: ParentRecord | None = None


@dataclass(frozen=True)
class Plan:
    """A statement, with the names of its parameters in order, and where sealed fields stand in its documents."""

    sql: str
    parameters: tuple[str, ...]
    sites: tuple[Site, ...] = ()

    @cached_property
    def hashed(self) -> tuple[str, ...]:
        """Return the parameters that are keyed hashes of others."""
        return tuple(name for name in self.parameters if name.endswith(HASHED))


@lru_cache(maxsize=2048)
def compile_plan(shape: Shape) -> Plan:
    """Compile a REST request.

    The statement returns the columns of `compile_selection` for one root, and the record's `etag` or the cursor of the
    `next` page.
    """
    writer, resource = _Writer(shape.profile, hidden=""), shape.resource
    full_record = (FullRecord(shape.fields),)
    if shape.kind == "one":
        return _answer(
            writer, [writer.one(One("", resource, full_record, by=shape.by, at="record"), etag=True)], ["etag"]
        )
    shows: tuple[Shown, ...] = (Rows("data", full_record), Next("next"))
    if shape.count:
        shows = (*shows, Total("count"))
    for name, lookup in resource.lookups.items():
        if name in shape.filters:
            shows = (*shows, Found(lookup.name, name, Pick(lookup.name, lookup.name)))
    arguments = shape.sort, shape.descending, shape.filters, shape.after
    if shape.under is None:
        return _answer(writer, [writer.page(Page("", resource, shows, None, *arguments, at="list"))], ["next"])
    page = Page("", resource, shows, None, *arguments, relation=shape.under.relation, at="list")
    parent = writer.found(shape.under.resource, shape.under.by, "parent")
    select = writer.page(page, (shape.under.resource, "p$"))
    return _answer(writer, [f"select l$.* from ({parent}) p$ cross join lateral ({select}) l$"], ["next"])


@lru_cache(maxsize=512)
def compile_selection(roots: tuple[One | Page, ...], profile: AccessProfile) -> Plan:
    """Compile several roots into one statement.

    The statement returns `d0`, `d1` ... (the bytes of each root's JSON, `null` for a record that is not found), and
    `ids` and `subjects` as text separated by commas. For a caller of several areas, each id has a space and its area
    after it.

    If a caller of several areas names a record by its natural key, or anybody by a shared one, there is a column
    `ambiguous`: the places of the keys that several records have. Such a record is not found.
    """
    writer = _Writer(profile, hidden="null")
    return _answer(writer, [writer.link(root, None) for root in roots])


@lru_cache(maxsize=512)
def compile_references(resource: Resource, profile: AccessProfile, by: tuple[By, ...]) -> Plan:
    """Compile the search for records by any number of ids (`references.id`) and keys (`references.natural_key`).

    The statement returns the columns `keys`, `areas` and `ids`: arrays with an item for each record, null if there is
    none.
    """
    writer = _Writer(profile, hidden="")
    select = " union all ".join(writer.referenced(resource, each) for each in by)
    outputs = [f"(select array_agg({name}) from r0) as {name}s" for name in ("key", "area", "id")]
    return _statement(writer.binder, [select], outputs)


_AUDITED = ("ids", "subjects")


def _answer(writer: "_Writer", selects: Sequence[str], further: Sequence[str] = ()) -> Plan:
    """Write a statement that returns documents; `further` are more columns of the first select."""
    outputs = [
        f"convert_to(coalesce((select doc::text from r{at}), 'null'), 'UTF8') as d{at}" for at in range(len(selects))
    ]
    for name in _AUDITED:
        ids = ", ".join(f"(select {name} from r{at})" for at in range(len(selects)))
        outputs.append(f"concat_ws(',', {ids}) as {name}")
    outputs += [f"(select {name} from r0) as {name}" for name in further]
    if writer.named:
        places = (f"(select '{at}' from {step} having count(*) > 1)" for at, (step, _) in writer.named.items())
        outputs.append(f"concat_ws(',', {', '.join(places)}) as ambiguous")
    plan = _statement(writer.binder, selects, outputs, [*writer.named.values(), *writer.lookups])
    return replace(plan, sites=tuple(writer.columns.sites))


def _statement(
    binder: Binder, selects: Sequence[str], outputs: Sequence[str], named: Sequence[tuple[str, str]] = ()
) -> Plan:
    steps = [f"ctx as materialized (select {context_sql()})"]
    steps += [f"{step} as materialized ({select})" for step, select in named]
    steps += [f"r{at} as materialized ({select})" for at, select in enumerate(selects)]
    return Plan(f"with {', '.join(steps)} select {', '.join(outputs)} from ctx", tuple(binder.names))


@dataclass
class _Record:
    """One record of the statement: the joins of its row, its select list, and its nested sub-selects."""

    laterals: list[str] = field(default_factory=list)
    columns: str = ""
    children: list[str] = field(default_factory=list)


@dataclass
class _Aggregates:
    """The aggregates over a page's records: their columns, the lists among them by key, and their source."""

    columns: list[str]
    lists: dict[str, str] = field(default_factory=dict)
    found: str = ""
    source: str = ""

    def show(self, lists: Mapping[str, tuple[str, str]]) -> None:
        """Add lists that do not depend on the records: by key, the column and its SQL."""
        for key, (column, sql) in lists.items():
            self.columns.append(f"{sql} as {column}")
            self.lists[key] = column


class _Writer:
    """Write the selects of one statement. Each returns one row: `doc`, `ids` and `subjects`.

    Args:
        profile: the caller's access profile.
        hidden: the SQL that replaces a hidden field; empty to leave the field out.
    """

    def __init__(self, profile: AccessProfile, hidden: str) -> None:
        self.profile, self.binder, self.numbered = profile, Binder(), 0
        self.columns = Columns(profile.clearances, self.binder, hidden)
        self.predicates = Predicates(profile, self.binder)
        self.named: dict[str, tuple[str, str]] = {}
        """By place, the step and the select of a natural key that records of several areas may have."""
        self.lookups: list[tuple[str, str]] = []
        """The step and the select of what each filter's value stands for."""

    def found(self, resource: Resource, by: By, at: str) -> str:
        """Select the row of one record by its id or natural key; no row where several records have the key."""
        rows, key = self.predicates.rows(resource), [self.predicates.key_predicate(resource, by, at)]
        if by == "id" or not (rows.has_branches or resource.shared_key):
            return accessible_rows(rows, self.binder, key, limit="limit 1")
        step = self._alias("k")
        self.named[at] = step, accessible_rows(rows, self.binder, key, limit="limit 2")
        return f"select * from {step} where (select count(*) from {step}) = 1"

    def referenced(self, resource: Resource, by: By) -> str:
        """Select the key, the area and the id of each record that has one of many ids or natural keys."""
        keys = [self.predicates.keys_predicate(resource, by, "references")]
        found, identity = accessible_rows(self.predicates.rows(resource), self.binder, keys), resource.identity("t")
        key = f"{identity}::text" if by == "id" else f't."{resource.natural_key}"'
        return f"select {key} as key, t.area_id as area, {identity} as id from ({found}) t"

    def link(self, link: One | Page, parent: Parent | None) -> str:
        """Select one record or one page."""
        return self.one(link, parent) if isinstance(link, One) else self.page(link, parent)

    def one(self, one: One, parent: Parent | None = None, *, etag: bool = False) -> str:
        """Select one record, with its `etag` on request; no row where it is not found."""
        if one.relation and parent:
            conditions = self.predicates.join_predicate(one.relation, one.resource, parent)
            found = accessible_rows(self.predicates.rows(one.resource), self.binder, conditions, limit="limit 1")
        else:
            found = self.found(one.resource, one.by, one.at)
        alias = self._alias("n")
        record = self._record(one.resource, one.selection, alias)
        outputs = [f"{json_object([record.columns])} as doc", *self._audited(one.resource, alias, record.children)]
        if etag:
            outputs.append(f"{alias}.{one.resource.etag}::text as etag" if one.resource.etag else "null::text as etag")
        return f"select {', '.join(outputs)} from ({found}) {alias} {' '.join(record.laterals)}"

    def page(self, page: Page, parent: Parent | None = None) -> str:
        """Select a page of records, with the cursor `next` on request."""
        read, audited = _Aggregates([f"null::text as {name}" for name in _AUDITED]), [f"y.{name}" for name in _AUDITED]
        rows, found = self.predicates.rows(page.resource), dict[str, str]()
        # PostgreSQL rejects a parameter that the statement does not use, so bind none where nothing is read.
        if not all(isinstance(item, Constant) for item in page.shows):
            found = self._lookups(page, rows)
        if not all(isinstance(item, Constant | Found) for item in page.shows):
            conditions, is_relation = list[str](), False
            if page.relation and parent:
                conditions, is_relation = self.predicates.join_predicate(page.relation, page.resource, parent), True
            conditions += self.predicates.filter_predicates(
                page.resource, page.filters, rows, page.at, found, is_relation=is_relation
            )
            if not all(isinstance(item, Constant | Total | Found) for item in page.shows):
                read = self._aggregate(page, rows, conditions)
            if any(isinstance(item, Total) for item in page.shows):
                total = accessible_count(rows, self.binder, conditions)
                read.columns.append(f"({total}) as total_count")
                if searches_one_pupil(page.resource, page.filters):
                    read.columns += self._counted(page, rows, conditions)
                    audited = [f"nullif(concat_ws(',', y.{name}, y.counted_{name}), '') as {name}" for name in _AUDITED]
        read.show(self._found(page, found))
        following = [f"{NEXT} as next"] if shows_next(page) else []
        outputs = [f"{document_sql(page, read.lists)} as doc", *audited, *following]
        return f"select {', '.join(outputs)} from ({read.found}select {', '.join(read.columns)} {read.source}) y"

    def _lookups(self, page: Page, rows: AccessibleRows) -> dict[str, str]:
        """Add a step for what each filter's value stands for, and return the steps by filter."""
        found = {name: self._alias("v") for name in page.resource.lookups if name in page.filters}
        self.lookups += [
            (step, self.predicates.lookup(page.resource, name, rows, page.at)) for name, step in found.items()
        ]
        return found

    def _found(self, page: Page, found: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Write the lists of what the values of filters stand for: by key, the column and its SQL."""
        written = {}
        for item in page.shows:
            if isinstance(item, Found):
                sql = "null::json"
                if item.filter in found:
                    lookup = page.resource.lookups[item.filter]
                    sql = self.columns.part(lookup.part(found[item.filter]), lookup.read, True, "t", item.item)
                written[item.key] = self._alias("v"), sql
        return written

    def _aggregate(self, page: Page, rows: AccessibleRows, conditions: list[str]) -> _Aggregates:
        """Write the aggregates over the records of a page."""
        alias, size = self._alias("n"), str(page.first or self.binder.bind(f"{page.at}.limit", "int"))
        lists, record = self._lists(page, alias)
        columns = [f"{column} as {column}" for column in lists.values()]
        columns += self._audited(page.resource, alias, record.children)
        order = page.resource, page.sort, page.descending
        if page.after:
            conditions = [*conditions, self.predicates.after_cursor(*order, f"{page.at}.after")]
        ahead = " + 1" if looks_ahead(page) else ""
        found = accessible_rows(rows, self.binder, conditions, order=order_by(*order), limit=f"limit {size}{ahead}")
        name, step = self._alias("f"), ""
        if shows_place(page):
            found, step = f"select * from {name} limit {size}", f"with {name} as materialized ({found}) "
        # Two parts can need the same join, which must appear once.
        joins = " ".join(dict.fromkeys(record.laterals))
        aggregates = aggregates_sql(page, lists, name, size)
        aggregates += [f"string_agg(x.{audited}, ',') as {audited}" for audited in _AUDITED]
        return _Aggregates(
            aggregates, lists, step, f"from (select {', '.join(columns)} from ({found}) {alias} {joins}) x"
        )

    def _lists(self, page: Page, alias: str) -> tuple[dict[str, str], _Record]:
        """Return the column of each list of a page, by key, and the joins that its records need."""
        lists, joined_record = dict[str, str](), _Record()
        for item in page.shows:
            if isinstance(item, Rows):
                lists[item.key] = self._object(page.resource, item.selection, alias, joined_record)
            elif isinstance(item, Edges):
                nodes = {
                    node.key: self._object(page.resource, node.selection, alias, joined_record)
                    for node in item.shows
                    if isinstance(node, Node)
                }
                edge = lists[item.key] = self._alias("e")
                joined_record.laterals.append(
                    f"cross join lateral (select {edge_sql(page, item, nodes, alias)}) {edge}"
                )
        return lists, joined_record

    def _object(self, resource: Resource, selection: Selection, alias: str, joined_record: _Record) -> str:
        """Add a lateral column for a record to `joined_record`, and return its alias."""
        record, column = self._record(resource, selection, alias), self._alias("o")
        joined_record.children += record.children
        joined_record.laterals += [*record.laterals, f"cross join lateral (select {record.columns}) {column}"]
        return column

    def _counted(self, page: Page, rows: AccessibleRows, conditions: list[str]) -> list[str]:
        """Write the audited columns of the records on all pages."""
        alias, limit = self._alias("n"), f"limit {MAX_AUDITED_TOTAL}"
        counted = f"({accessible_rows(rows, self.binder, conditions, limit=limit)}) {alias}"
        return [
            f"(select string_agg(m.{name}, ',') from (select {column} from {counted}) m) as counted_{name}"
            for name, column in zip(_AUDITED, self._audited(page.resource, alias, []), strict=True)
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
            elif isinstance(item, FullRecord):
                columns += self.columns.of_resource(resource, alias, item.wanted)
            else:
                columns += self.columns.of_model(resource.read, resource, alias, "", (item,))
        written, joins = joined(resource, ", ".join(columns), self.binder, alias)
        return _Record(joins + laterals, written, children)

    def _audited(self, resource: Resource, alias: str, children: list[str]) -> list[str]:
        """Write the audited columns of a row: its own ids and those of its nested records."""
        own = [self._audited_id(resource, alias, resource.identity(alias)), self._subjects(resource, alias)]
        columns = []
        for name, audited in zip(_AUDITED, own, strict=True):
            parts = [audited] if audited else []
            parts += [f"{child}.{name}" for child in children]
            # An absent part leaves no comma, and a row without ids leaves null.
            ids = f"nullif(concat_ws(',', {', '.join(parts)}), '')" if len(parts) > 1 else "".join(parts)
            columns.append(f"{ids or 'null::text'} as {name}")
        return columns

    def _subjects(self, resource: Resource, alias: str) -> str:
        """Write the statements that a row shows; empty where its resource shows none."""
        if resource.subjects:
            listed = self.binder.fill(resource.subjects, alias)
            return f"(select string_agg({self._audited_id(resource, alias, 's$.id')}, ',') from ({listed}) s$(id))"
        return self._audited_id(resource, alias, self.binder.fill(resource.subject, alias)) if resource.subject else ""

    def _audited_id(self, resource: Resource, alias: str, identity: str) -> str:
        if RowAccess.AREA not in self.profile.plural_access:
            return f"({identity})::text"
        if resource.of_area:
            return f"({identity})::text || ' ' || {alias}.area_id"
        # A record of no area is audited in each area that the caller works in.
        areas = self.binder.bind("context.areas", "text")
        return f"(select string_agg(({identity})::text || ' ' || a$, ',') from unnest(({areas})::uuid[]) a$)"

    def _alias(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}${self.numbered}"
