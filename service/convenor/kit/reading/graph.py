"""From a graph of records, as wide and deep as a caller asks, to one SQL statement that returns finished JSON.

Each relation is a lateral sub-select of its parent's row, with its own predicate of reach, its own order and its own
limit; what is nested is aggregated where it stands. Beside its JSON every sub-select hands up the ids of the records
that it shows and of the pupils they are about, for the audit. The root selects are steps of the statement, so that they
run once the row-security context is set (see `compile`).
"""

from dataclasses import dataclass
from functools import lru_cache

from convenor.kit.context import context_sql
from convenor.kit.principal import Reach
from convenor.kit.reading.columns import Binder, Columns, joined, json_object
from convenor.kit.reading.compile import Plan
from convenor.kit.reading.conditions import MOST_COUNTED, Conditions, Parent, is_about_one, order_by
from convenor.kit.reading.declare import Resource
from convenor.kit.reading.reach import Rows, Standing, rows_within
from convenor.kit.reading.selection import (
    Constant,
    Cursor,
    Edges,
    Node,
    One,
    Page,
    PageInfo,
    Place,
    Selection,
    Total,
    Version,
)


@lru_cache(maxsize=512)
def compile_graph(roots: tuple[One | Page, ...], standing: Standing) -> Plan:
    """The statement for some roots.

    It returns `d0`, `d1` ... (the bytes of each root's JSON, `null` where a record is not there), and `ids` and
    `subjects`: text, with commas between; for a caller of several areas, each id with a space and its area behind it.
    """
    writer = _Writer(standing)
    steps = [f"ctx as materialized (select {context_sql()})"]
    outputs = []
    for at, root in enumerate(roots):
        steps.append(f"r{at} as materialized ({writer.link(root, None)})")
        outputs.append(f"convert_to(coalesce((select doc::text from r{at}), 'null'), 'UTF8') as d{at}")
    for name in _SEEN:
        shown = ", ".join(f"(select {name} from r{at})" for at in range(len(roots)))
        outputs.append(f"concat_ws(',', {shown}) as {name}")
    sql = f"with {', '.join(steps)} select {', '.join(outputs)} from ctx"
    return Plan(sql, tuple(writer.binder.names))


_SEEN = ("ids", "subjects")


@dataclass
class _Record:
    """One record of the statement: what stands beside its row, and what is selected of it."""

    laterals: list[str]
    columns: str
    children: list[str]


class _Writer:
    """Writes the selects of one statement."""

    def __init__(self, standing: Standing) -> None:
        self.standing, self.binder, self.numbered = standing, Binder(), 0
        self.columns = Columns(standing.walls, self.binder, hidden="null")
        self.conditions = Conditions(standing, self.binder)

    def link(self, link: One | Page, parent: Parent | None) -> str:
        """A select of one row: `doc`, and what the audit is told. A record that is not there gives no row."""
        return self._one(link, parent) if isinstance(link, One) else self._page(link, parent)

    def _one(self, one: One, parent: Parent | None) -> str:
        conditions = (
            self.conditions.hanging(one.relation, one.resource, parent)
            if one.relation and parent
            else [self.conditions.named(one.resource, one.by, one.at)]
        )
        alias = self._alias("n")
        found = rows_within(self.conditions.rows(one.resource), self.binder, conditions, limit="limit 1")
        record = self._record(one.resource, one.selection, alias)
        seen = ", ".join(self._seen(one.resource, alias, record.children))
        return (
            f"select {json_object([record.columns])} as doc, {seen} from ({found}) {alias} {' '.join(record.laterals)}"
        )

    def _page(self, page: Page, parent: Parent | None) -> str:
        source, edges, found = "", dict[str, str](), [f"null::text as {name}" for name in _SEEN]
        seen = [f"y.{name}" for name in _SEEN]
        # Where nothing is read, nothing is bound: a statement has no parameter that it does not use.
        if not all(isinstance(item, Constant) for item in page.shows):
            rows, conditions, whole = self.conditions.rows(page.resource), list[str](), True
            if page.relation and parent:
                conditions, whole = self.conditions.hanging(page.relation, page.resource, parent), False
            conditions += self.conditions.filtered(page.resource, page.filters, rows, page.at, whole=whole)
            if any(isinstance(item, Edges | PageInfo) for item in page.shows):
                source, edges, found = self._source(page, rows, conditions)
            if any(isinstance(item, Total) for item in page.shows):
                total = rows_within(rows, self.binder, conditions, columns="count(*)", total=True)
                found.append(f"({total}) as total_count")
                if is_about_one(page.resource, page.filters):
                    found += self._counted(page, rows, conditions)
                    seen = [f"nullif(concat_ws(',', y.{name}, y.counted_{name}), '') as {name}" for name in _SEEN]
        doc = []
        for item in page.shows:
            if isinstance(item, Edges):
                value = f"y.{edges[item.key]}"
            elif isinstance(item, PageInfo):
                value = json_object(_place(it, page) for it in item.shows)
            else:
                value = "y.total_count" if isinstance(item, Total) else f"'{item.word}'"
            doc.append(f'{value} as "{item.key}"')
        return f"select {json_object(doc)} as doc, {', '.join(seen)} from (select {', '.join(found)} {source}) y"

    def _source(self, page: Page, rows: Rows, conditions: list[str]) -> tuple[str, dict[str, str], list[str]]:
        """The rows of a page as `x`; the column of each of its edges, by key; and what is gathered of them all."""
        resource, alias = page.resource, self._alias("n")
        columns, laterals, edges, children = list[str](), list[str](), dict[str, str](), list[str]()
        for item in page.shows:
            if isinstance(item, Edges):
                edge = edges[item.key] = self._alias("e")
                shows = []
                for it in item.shows:
                    if isinstance(it, Node):
                        record, node = self._record(resource, it.selection, alias), self._alias("o")
                        children += record.children
                        laterals += [*record.laterals, f"cross join lateral (select {record.columns}) {node}"]
                        shows.append(f'{node} as "{it.key}"')
                    else:
                        value = _cursor(page, alias) if isinstance(it, Cursor) else f"'{it.word}'"
                        shows.append(f'{value} as "{it.key}"')
                laterals.append(f"cross join lateral (select {', '.join(shows)}) {edge}")
                columns.append(f"{edge} as {edge}")
        columns += self._seen(resource, alias, children)
        found = self._found(page, rows, conditions)
        gathered = [f"coalesce(json_agg(x.{edge}), '[]') as {edge}" for edge in edges.values()]
        gathered += [f"string_agg(x.{name}, ',') as {name}" for name in _SEEN]
        if _names(page, "startCursor", "endCursor"):
            columns.append(f"{_cursor(page, alias)} as row_cursor")
            gathered.append("array_agg(x.row_cursor) as cursors")
        if _names(page, "hasNextPage"):
            # One more row is looked up, to know whether there is a next page; it is not shown.
            columns.append(f"{alias}.row_count")
            gathered.append("max(x.row_count) as row_count")
            found = (
                "select * from (select p.*, row_number() over () as row_at, count(*) over () as row_count"
                f" from ({found}) p) p where row_at <= {page.first}"
            )
        # A join that two parts ask for stands once.
        beside = " ".join(dict.fromkeys(laterals))
        source = f"from (select {', '.join(columns)} from ({found}) {alias} {beside}) x"
        return source, edges, gathered

    def _counted(self, page: Page, rows: Rows, conditions: list[str]) -> list[str]:
        """What the audit is told of the records on all pages."""
        alias, limit = self._alias("n"), f"limit {MOST_COUNTED}"
        counted = f"({rows_within(rows, self.binder, conditions, limit=limit)}) {alias}"
        return [
            f"(select string_agg(m.{name}, ',') from (select {column} from {counted}) m) as counted_{name}"
            for name, column in zip(_SEEN, self._seen(page.resource, alias, []), strict=True)
        ]

    def _found(self, page: Page, rows: Rows, conditions: list[str]) -> str:
        how = page.resource, page.sort, page.descending
        if page.after:
            conditions = [*conditions, self.conditions.beyond(*how, f"{page.at}.after")]
        limit = page.first + 1 if _names(page, "hasNextPage") else page.first
        return rows_within(rows, self.binder, conditions, order=order_by(*how), limit=f"limit {limit}")

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
        if Reach.AREA not in self.standing.several:
            return f"({identity})::text"
        # What is of no area belongs to none's audit.
        return f"({identity})::text || ' ' || {alias}.area_id" if resource.of_area else "null::text"

    def _alias(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}${self.numbered}"


def _names(page: Page, *places: str) -> bool:
    """Whether one of these is asked of the page."""
    return any(isinstance(item, PageInfo) and not item.places.isdisjoint(places) for item in page.shows)


def _cursor(page: Page, alias: str) -> str:
    """The cursor of a row, as `query.write_cursor` writes it."""
    order = f"{'-' if page.descending else ''}{page.sort}"
    value = f'{alias}."{page.resource.sorts[page.sort].column}"::text'
    written = f"json_build_array('{order}', {value}, {page.resource.identity(alias)})::text"
    return f"translate(encode(convert_to({written}, 'UTF8'), 'base64'), E'+/=\\n', '-_')"


def _place(item: tuple[str, Place] | Constant, page: Page) -> str:
    """One of the fields of a page's `PageInfo`, of the page `y`."""
    if isinstance(item, Constant):
        return f"'{item.word}' as \"{item.key}\""
    values = {
        "hasNextPage": f"coalesce(y.row_count > {page.first}, false)",
        "hasPreviousPage": "true" if page.after else "false",
        "startCursor": "y.cursors[1]",
        "endCursor": "y.cursors[cardinality(y.cursors)]",
    }
    return f'{values[item[1]]} as "{item[0]}"'
