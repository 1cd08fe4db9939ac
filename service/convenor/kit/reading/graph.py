"""From a graph of records, as wide and deep as a caller asks, to one SQL statement that returns finished JSON.

Each relation is a lateral sub-select of its parent's row, with its own predicate of reach, its own order and its own
limit; what is nested is aggregated where it stands. Beside its JSON every sub-select hands up the ids of the records
that it shows and of the pupils they are about, for the audit. The root selects are steps of the statement, so that they
run once the row-security context is set (see `compile`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from convenor.kit.context import context_sql
from convenor.kit.principal import Reach
from convenor.kit.reading.columns import Binder, Columns, joined
from convenor.kit.reading.compile import Plan
from convenor.kit.reading.declare import Relation, Resource
from convenor.kit.reading.reach import Rows, Standing, area_sql, rows_within
from convenor.kit.reading.selection import (
    Constant,
    Cursor,
    Edges,
    Node,
    One,
    Page,
    PageInfo,
    Selection,
    Total,
    Version,
)


@lru_cache(maxsize=512)
def compile_graph(roots: tuple[One | Page, ...], standing: Standing) -> Plan:
    """The statement for some roots.

    It returns `d0`, `d1` ... (the bytes of each root's JSON, `null` where a record is not there), `ids` and `subjects`
    as array literals; for a caller of several areas also `areas` and `subject_areas`, each the area of its neighbour.
    """
    writer = _Writer(standing)
    steps = [f"ctx as materialized (select {context_sql()})"]
    outputs = []
    for at, root in enumerate(roots):
        steps.append(f"r{at} as materialized ({writer.link(root, None)})")
        outputs.append(f"convert_to(coalesce((select doc::text from r{at}), 'null'), 'UTF8') as d{at}")
    for ids, areas in (("ids", "areas"), ("subjects", "subject_areas")):
        shown, where = (_joined(f"(select {name} from r{at})" for at in range(len(roots))) for name in (ids, areas))
        if areas in writer.seen:
            # Each once, beside its area; what is of no area belongs to none's audit.
            pairs = f"select distinct * from unnest({shown}, {where}) as u(id, area)"
            steps.append(f"{ids} as materialized ({pairs} where u.id is not null and u.area is not null)")
            outputs.append(f"(select array_agg(id)::text from {ids}) as {ids}")
            outputs.append(f"(select array_agg(area) from {ids}) as {areas}")
        else:
            each = f"select distinct u.id from unnest({shown}) as u(id) where u.id is not null"
            outputs.append(f"array({each})::text as {ids}")
    sql = f"with {', '.join(steps)} select {', '.join(outputs)} from ctx"
    return Plan(sql, tuple(writer.binder.names))


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
        self.seen = ["ids", "subjects"]
        if Reach.AREA in standing.several:
            self.seen += ["areas", "subject_areas"]

    def link(self, link: One | Page, parent: tuple[Resource, str] | None) -> str:
        """A select of one row: `doc`, and what the audit is told. A record that is not there gives no row."""
        return self._one(link, parent) if isinstance(link, One) else self._page(link, parent)

    def _one(self, one: One, parent: tuple[Resource, str] | None) -> str:
        rows, conditions = self._rows(one.resource), self._hanging(one.relation, one.resource, parent)
        if one.relation is None and one.by == "id":
            conditions.append(f"{_identity(one.resource, 't')} = {self.binder.bind(f'{one.at}.id', 'uuid')}")
        elif one.relation is None:
            conditions.append(f't."{one.resource.natural_key}" = {self.binder.bind(f"{one.at}.key", "text")}')
        alias = self._alias("n")
        found = rows_within(rows, self.binder, conditions, limit="limit 1")
        record = self._record(one.resource, one.selection, alias)
        seen = [f"{self._seen(one.resource, alias, record.children, name)}" for name in self.seen]
        if not record.children:
            seen = [f"array[{own}]" for own in seen]
        told = ", ".join(f"{array} as {name}" for array, name in zip(seen, self.seen, strict=True))
        return (
            f"select (select row_to_json(o) from (select {record.columns}) o) as doc, {told}"
            f" from ({found}) {alias} {' '.join(record.laterals)}"
        )

    def _page(self, page: Page, parent: tuple[Resource, str] | None) -> str:
        rows, conditions = self._rows(page.resource), self._hanging(page.relation, page.resource, parent)
        conditions += self._filters(page, rows)
        source, edges = "", dict[str, str]()
        seen = [f"null::uuid[] as {name}" for name in self.seen]
        if any(isinstance(item, Edges | PageInfo) for item in page.shows):
            source, edges, seen = self._source(page, rows, conditions)
        doc = []
        for item in page.shows:
            if isinstance(item, Edges):
                value = f"coalesce(json_agg(x.{edges[item.key]}), '[]')"
            elif isinstance(item, PageInfo):
                value = _page_info(item, page)
            elif isinstance(item, Total):
                value = f"({rows_within(rows, self.binder, conditions, columns='count(*)', total=True)})"
            else:
                value = f"'{item.word}'"
            doc.append(f"'{item.key}', {value}")
        return f"select json_build_object({', '.join(doc)}) as doc, {', '.join(seen)} {source}"

    def _source(self, page: Page, rows: Rows, conditions: list[str]) -> tuple[str, dict[str, str], list[str]]:
        """The rows of a page as `x`; the column of each of its edges, by key; and what is gathered for the audit."""
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
        columns += [f"{self._seen(resource, alias, children, name)} as {name}" for name in self.seen]
        gather = "uuids" if children else "array_agg"
        found = self._found(page, rows, conditions)
        if _names(page, "startCursor", "endCursor"):
            columns.append(f"{_cursor(page, alias)} as row_cursor")
        if _names(page, "hasNextPage"):
            # One more row is looked up, to know whether there is a next page; it is not shown.
            columns.append("row_count")
            found = (
                "select * from (select p.*, row_number() over () as row_at, count(*) over () as row_count"
                f" from ({found}) p) p where row_at <= {page.first}"
            )
        # A join that two parts ask for stands once.
        beside = " ".join(dict.fromkeys(laterals))
        source = f"from (select {', '.join(columns)} from ({found}) {alias} {beside}) x"
        return source, edges, [f"{gather}(x.{name}) as {name}" for name in self.seen]

    def _found(self, page: Page, rows: Rows, conditions: list[str]) -> str:
        sort, identity = page.resource.sorts[page.sort], _identity(page.resource, "t")
        way, beyond = ("desc", "<") if page.descending else ("asc", ">")
        if page.after:
            after = self.binder.bind(f"{page.at}.after.value", sort.cast)
            tie = self.binder.bind(f"{page.at}.after.id", "uuid")
            conditions = [*conditions, f'(t."{sort.column}", {identity}) {beyond} ({after}, {tie})']
        order = f'order by t."{sort.column}" {way}, {identity} {way}'
        limit = page.first + 1 if _names(page, "hasNextPage") else page.first
        return rows_within(rows, self.binder, conditions, order=order, limit=f"limit {limit}")

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
        written = ", ".join(columns)
        joins = joined(resource, written, self.binder, alias)
        return _Record(joins + laterals, written, children)

    def _seen(self, resource: Resource, alias: str, children: list[str], name: str) -> str:
        """One row's part of what the audit is told: an id, or an array where other records hang on the row."""
        if name == "ids":
            own = _identity(resource, alias)
        elif name == "subjects":
            own = self.binder.fill(resource.subject, alias) if resource.subject else "null"
        else:
            own = f"{alias}.area_id" if resource.of_area and (name == "areas" or resource.subject) else "null"
        if not children:
            return f"({own})::uuid"
        # Where the row is about nobody, null still keeps each id beside its area.
        return _joined([f"array[{own}]::uuid[]", *(f"{child}.{name}" for child in children)])

    def _rows(self, resource: Resource) -> Rows:
        reach = self.standing.reach(resource)
        within = self.binder.fill(resource.within_clusters, "t") if reach is Reach.CLUSTER else ""
        several = Rows(resource.table, resource.of_area, reach, several=False).kind in self.standing.several
        return Rows(resource.table, resource.of_area, reach, several, within)

    def _hanging(self, relation: Relation | None, resource: Resource, parent: tuple[Resource, str] | None) -> list[str]:
        """How the rows of a link hang on its parent's row."""
        if relation is None or parent is None:
            return []
        source, alias = parent
        conditions = [f't."{theirs}" = {alias}."{ours}"' for theirs, ours in relation.on.items()]
        if resource.of_area and source.of_area:
            conditions.append(f"t.area_id = {alias}.area_id")
        if relation.where:
            conditions.append(self.binder.fill(relation.where, "t").replace("{p}", alias))
        return conditions

    def _filters(self, page: Page, rows: Rows) -> list[str]:
        conditions = []
        for name, it in page.resource.filters.items():
            if name in page.filters:
                value = self.binder.bind(f"{page.at}.{name}", it.cast)
                sql = self.binder.fill(it.sql, "t").replace("{v}", value)
                conditions.append(sql.replace("{area}", area_sql(rows, self.binder)) if "{area}" in sql else sql)
            elif it.otherwise:
                conditions.append(self.binder.fill(it.otherwise, "t"))
        own = page.resource.own.get(self.standing.role)
        if own and page.relation is None and own.unless not in page.filters:
            conditions.append(self.binder.fill(own.sql, "t"))
        return conditions

    def _alias(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}{self.numbered}"


def _identity(resource: Resource, alias: str) -> str:
    return resource.id_sql.replace("{t}", alias)


def _joined(arrays: Iterable[str]) -> str:
    return " || ".join(arrays)


def _names(page: Page, *places: str) -> bool:
    """Whether one of these is asked of the page."""
    return any(isinstance(item, PageInfo) and not item.places.isdisjoint(places) for item in page.shows)


def _cursor(page: Page, alias: str) -> str:
    """The cursor of a row, as `query.write_cursor` writes it."""
    order = f"{'-' if page.descending else ''}{page.sort}"
    value = f'{alias}."{page.resource.sorts[page.sort].column}"::text'
    written = f"json_build_array('{order}', {value}, {_identity(page.resource, alias)})::text"
    return f"translate(encode(convert_to({written}, 'UTF8'), 'base64'), E'+/=\\n', '-_')"


def _page_info(info: PageInfo, page: Page) -> str:
    values = {
        "hasNextPage": f"coalesce(max(x.row_count) > {page.first}, false)",
        "hasPreviousPage": "true" if page.after else "false",
        "startCursor": "(array_agg(x.row_cursor))[1]",
        "endCursor": "(array_agg(x.row_cursor))[count(*)]",
    }
    shown = [
        f"'{item.key}', '{item.word}'" if isinstance(item, Constant) else f"'{item[0]}', {values[item[1]]}"
        for item in info.shows
    ]
    return f"json_build_object({', '.join(shown)})"
