"""From a declaration and a selection to one SQL statement that returns finished JSON.

A statement sets its own row-security context, carries the reach of the caller as an explicit predicate on every table
it pages through, leaves out the fields behind walls that the caller does not pass, and returns beside the bytes what
the audit must know: the ids of the records and of the pupils they are about. Plans are cached by shape, never by value.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from convenor.kit.context import context_sql
from convenor.kit.principal import Reach, Wall
from convenor.kit.reading.declare import Part, Relation, Resource
from convenor.kit.reading.reach import Rows, area_sql, rows_within

By = Literal["id", "natural_key"]


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


@dataclass
class Binder:
    """Numbers the parameters of one statement."""

    names: list[str] = field(default_factory=lambda: ["context.areas", "context.reach", "context.keys"])

    def bind(self, name: str, cast: str) -> str:
        """The placeholder of a parameter, e.g. `$4::uuid`; the same name gives the same number."""
        if name not in self.names:
            self.names.append(name)
        return f"${self.names.index(name) + 1}::{cast}"

    def fill(self, sql: str, alias: str) -> str:
        """Puts the alias and the machine's own parameters into a declaration's SQL."""
        sql = sql.replace("{t}", alias)
        if "{keys}" in sql:
            sql = sql.replace("{keys}", "($3::text)::uuid[]")
        if "{pseudonym_key}" in sql:
            sql = sql.replace("{pseudonym_key}", self.bind("pseudonym_key", "bytea"))
        if "{today}" in sql:
            sql = sql.replace("{today}", self.bind("today", "date"))
        return sql


@lru_cache(maxsize=2048)
def compile_plan(shape: Shape) -> Plan:
    """The statement for a shape."""
    resource, binder = shape.resource, Binder()
    rows = Rows(resource.table, resource.of_area, shape.reach, shape.several)
    steps = [f"ctx as materialized (select {context_sql()})"]
    conditions = [
        binder.fill(resource.filters[name].sql, "t")
        .replace("{area}", area_sql(rows, binder))
        .replace("{v}", binder.bind(f"filter.{name}", resource.filters[name].cast))
        for name in shape.filters
    ]
    if shape.own:
        conditions.append(binder.fill(shape.own, "t"))
    if shape.parent:
        steps.append(_parent_step(shape.parent, shape.several, binder))
        conditions.extend(_hanging_on(shape.parent.resource.relations[shape.parent.relation]))
    if shape.kind != "list":
        conditions.append(_named(resource, shape.by, "t", binder))

    identity = resource.id_sql.replace("{t}", "t")
    if shape.kind == "find":
        steps.append(f"page as materialized ({rows_within(rows, binder, conditions, limit='limit 1')})")
        outputs = f"(select t.area_id from page t) as area_id, (select {identity} from page t) as id"
        return Plan(f"with {', '.join(steps)} select {outputs} from ctx", tuple(binder.names))

    columns = Columns(shape.walls, binder).of_resource(resource, shape.fields)
    joins = binder.fill(resource.joins, "t")
    if shape.kind == "one":
        steps.append(f"page as materialized ({rows_within(rows, binder, conditions, limit='limit 1')})")
        body, shown = f"(select row_to_json(r)::text from (select {columns} from page t {joins}) r)", ""
    else:
        order, keyset = _order(shape, binder)
        counted = list(conditions)
        shown = f"limit {binder.bind('limit', 'int')}"
        page = rows_within(rows, binder, conditions + keyset, order=order, limit=f"{shown} + 1")
        steps.append(f"page as materialized ({page})")
        body = f"(select coalesce(json_agg(r), '[]')::text from (select {columns} from (select * from page {shown}) t {joins}) r)"

    outputs = [f"convert_to({body}, 'UTF8') as body"]
    outputs.append(f"(select array_agg({identity}) from (select * from page {shown}) t) as ids")
    if resource.subject:
        subject = binder.fill(resource.subject, "t")
        outputs.append(
            f"(select array_agg(distinct s.id) from (select {subject} as id from (select * from page {shown}) t) s"
            " where s.id is not null) as subjects"
        )
    if shape.several and resource.of_area:
        outputs.append(f"(select array_agg(t.area_id) from (select * from page {shown}) t) as areas")
    if shape.kind == "one" and resource.etag:
        outputs.append(f"(select t.{resource.etag}::text from page t) as etag")
    if shape.kind == "list":
        column = resource.sorts[shape.sort].column
        last = binder.bind("limit", "int")
        outputs.append(
            f"case when (select count(*) from page) > {last} then"
            f" (select t.\"{column}\"::text || ' ' || {identity} from page t"
            f" offset {last} - 1 limit 1) end as next"
        )
        if shape.count:
            outputs.append(f"({rows_within(rows, binder, counted, columns='count(*)', total=True)}) as count")
    if shape.parent:
        outputs.append("(select p.parent_id from parent p) as parent")
    return Plan(f"with {', '.join(steps)} select {', '.join(outputs)} from ctx", tuple(binder.names))


def _parent_step(parent: Parent, several: bool, binder: Binder) -> str:
    resource = parent.resource
    rows = Rows(resource.table, resource.of_area, parent.reach, several)
    named = [_named(resource, parent.by, "t", binder, "parent")]
    identity = resource.id_sql.replace("{t}", "t")
    found = rows_within(rows, binder, named, columns=f"t.*, {identity} as parent_id", limit="limit 1")
    return f"parent as materialized ({found})"


def _hanging_on(relation: Relation) -> list[str]:
    return [f't."{theirs}" = (select p."{ours}" from parent p)' for theirs, ours in relation.on.items()]


def _named(resource: Resource, by: By, alias: str, binder: Binder, name: str = "record") -> str:
    if by == "id":
        return f"{resource.id_sql.replace('{t}', alias)} = {binder.bind(f'{name}.id', 'uuid')}"
    return f'{alias}."{resource.natural_key}" = {binder.bind(f"{name}.key", "text")}'


def _order(shape: Shape, binder: Binder) -> tuple[str, list[str]]:
    sort = shape.resource.sorts[shape.sort]
    identity = shape.resource.id_sql.replace("{t}", "t")
    way, beyond = ("desc", "<") if shape.descending else ("asc", ">")
    keyset = []
    if shape.after:
        after, tie = binder.bind("after.value", sort.cast), binder.bind("after.id", "uuid")
        keyset.append(f'(t."{sort.column}", {identity}) {beyond} ({after}, {tie})')
    return f'order by t."{sort.column}" {way}, {identity} {way}', keyset


class Columns:
    """Writes the select list of a read model, without what stands behind a wall that the caller does not pass."""

    def __init__(self, passed: frozenset[Wall], binder: Binder) -> None:
        self.passed, self.binder, self.depth = passed, binder, 0

    def of_resource(self, resource: Resource, wanted: frozenset[str] | None) -> str:
        """The select list over alias `t`; with `redacted` where the resource has walls at all."""
        written = self._model(resource.read, resource, "t", "", wanted)
        if "redacted" in resource.read.model_fields:
            listed = ", ".join(f'"{path}"' for path in redacted_paths(resource, self.passed, wanted))
            written.append(f"'[{listed}]'::json as \"redacted\"")
        return ", ".join(written)

    def _model(
        self, model: type[BaseModel], said: Resource | Part, alias: str, path: str, wanted: frozenset[str] | None = None
    ) -> list[str]:
        written = []
        for name, info in model.model_fields.items():
            if name == "redacted" or (wanted is not None and name not in wanted):
                continue
            wall = said.walls.get(path + name)
            if wall is None or wall in self.passed:
                written.append(f'{self._field(info.annotation, said, alias, path + name)} as "{name}"')
        return written

    def _field(self, annotation: Any, said: Resource | Part, alias: str, dotted: str) -> str:
        models, many = models_in(annotation)
        if dotted in said.parts:
            return self._part(said.parts[dotted], models[0], many, alias)
        if dotted in said.variants:
            return self._variants(models, said, alias, dotted)
        if dotted in said.sql:
            expression = self.binder.fill(said.sql[dotted], alias)
        elif models and not many:
            return _object(self._model(models[0], said, alias, dotted + "."))
        else:
            expression = f'{alias}."{dotted}"'
        if _is_moment(annotation):
            return f"to_char({expression} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        return expression

    def _part(self, part: Part, model: type[BaseModel], many: bool, alias: str) -> str:
        self.depth += 1
        inner = f"p{self.depth}"
        source = self.binder.fill(part.source, alias).replace("{p}", inner)
        order = f" order by {part.order.replace('{p}', inner)}" if part.order else ""
        rows = f"(select {', '.join(self._model(model, part, inner, ''))} from {source}{order}) o"
        return f"(select coalesce(json_agg(o), '[]') from {rows})" if many else f"(select row_to_json(o) from {rows})"

    def _variants(self, models: list[type[BaseModel]], said: Resource | Part, alias: str, dotted: str) -> str:
        kind = self.binder.fill(said.variants[dotted], alias)
        cases = []
        for model in models:
            label = get_args(model.model_fields["kind"].annotation)[0]
            cases.append(f"when '{label}' then {_object(self._model(model, said, alias, dotted + '.'))}")
        return f"case {kind} {' '.join(cases)} end"


def _object(columns: list[str]) -> str:
    return f"(select row_to_json(o) from (select {', '.join(columns)}) o)"


def redacted_paths(resource: Resource, passed: frozenset[Wall], wanted: frozenset[str] | None = None) -> list[str]:
    """The dotted paths that a caller passing these walls never sees, in the order they are declared."""
    hidden = [path for path, wall in resource.walls.items() if wall not in passed]
    for dotted, part in resource.parts.items():
        hidden += [f"{dotted}.{name}" for name, wall in part.walls.items() if wall not in passed]
    return [path for path in hidden if wanted is None or path.split(".")[0] in wanted]


def models_in(annotation: Any) -> tuple[list[type[BaseModel]], bool]:
    """The pydantic models that an annotation holds, and whether as a list."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return models_in(get_args(annotation)[0])
    if origin is list:
        return models_in(get_args(annotation)[0])[0], True
    if origin in (Union, UnionType):
        found = [models_in(choice) for choice in get_args(annotation)]
        return [model for models, _ in found for model in models], any(many for _, many in found)
    return ([annotation], False) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ([], False)


def _is_moment(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(_is_moment(choice) for choice in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, datetime)
