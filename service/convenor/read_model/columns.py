"""Write the select list of a read model: names and types from the model, the rest from the declaration.

Aliases that the compiler makes have a `$` in their name (`o$`, `p$1`). No key of an answer can have one, so that a key
is never mistaken for an alias.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from convenor.read_model.annotations import is_timestamp, kinds_of, models_in
from convenor.read_model.placeholders import BOUND
from convenor.read_model.redaction import redacted_paths
from convenor.read_model.resource import Part, Resource
from convenor.read_model.sealed_fields import SEALED_TABLES, Site, Stored, sealed_at
from convenor.read_model.selection import Constant, Pick, Selection, fields_of
from convenor.security.principal import FieldSensitivity


@dataclass
class Binder:
    """Number the parameters of one statement; the first three are those of `context_sql`."""

    names: list[str] = field(default_factory=lambda: ["context.areas", "context.row_access", "context.keys"])

    def bind(self, name: str, pg_type: str) -> str:
        """Return the placeholder of a parameter, e.g. `$4::uuid`; the same name gives the same number."""
        if name not in self.names:
            self.names.append(name)
        return f"${self.names.index(name) + 1}::{pg_type}"

    def fill(self, sql: str, alias: str) -> str:
        """Replace the placeholders of a declaration's SQL by the alias and the compiler's own parameters."""
        sql = sql.replace("{t}", alias)
        for name, bound in BOUND.items():
            if f"{{{name}}}" in sql:
                value = self.bind(bound.parameter, bound.pg_type)
                sql = sql.replace(f"{{{name}}}", f"({value})::{bound.read_as}" if bound.read_as else value)
        return sql


class Columns:
    """Write select lists without the fields for which the caller lacks the clearance.

    Args:
        clearances: the caller's.
        binder: the statement's.
        hidden: the SQL that replaces a hidden field; empty to leave the field out.
    """

    def __init__(self, clearances: frozenset[FieldSensitivity], binder: Binder, hidden: str = "") -> None:
        self.clearances, self.binder, self.hidden, self.numbered = clearances, binder, hidden, 0
        self.sites: list[Site] = []
        """Where sealed fields stand, by the number in their marker."""

    def of_resource(self, resource: Resource, alias: str, wanted: frozenset[str] | None) -> list[str]:
        """Write the select list of a complete record, with `redacted` where some role does not see every field."""
        written = self.of_model(resource.read, resource, alias, "", fields_of(resource.read, wanted))
        if "redacted" in resource.read.model_fields:
            listed = ", ".join(f'"{path}"' for path in redacted_paths(resource, self.clearances, wanted))
            written.append(f"'[{listed}]'::json as \"redacted\"")
        return written

    def of_model(
        self, model: type[BaseModel], declared: Resource | Part, alias: str, path: str, selection: Selection
    ) -> list[str]:
        """Write the select list of one model, or of an object within it at `path`."""
        written = list[str]()
        run: str | None = None
        first = dict[str, int]()
        for item in selection:
            before, run = run, None
            if isinstance(item, Constant):
                written.append(f"'{item.text}' as \"{item.key}\"")
            elif isinstance(item, Pick):
                sensitivity = declared.sensitivity.get(path + item.name)
                if sensitivity is None or sensitivity in self.clearances:
                    if sealed := sealed_at(declared, path + item.name):
                        run = None if sealed.select else sealed.group
                        if run is None or run != before:
                            written.append(self._site(alias, sealed, first))
                        member = f'"{item.key}":'.encode(), tuple(map(str.encode, sealed.columns))
                        self.sites[-1] = replace(self.sites[-1], members=(*self.sites[-1].members, member))
                        continue
                    annotation = model.model_fields[item.name].annotation
                    written.append(
                        f'{self._field(annotation, declared, alias, path + item.name, item)} as "{item.key}"'
                    )
                elif self.hidden:
                    written.append(f'{self.hidden} as "{item.key}"')
        return written

    def _site(self, alias: str, sealed: Stored, first: dict[str, int]) -> str:
        """Write the ciphertext of a group where its first fields stand, and a mark where others of the row do."""
        number, table = len(self.sites), SEALED_TABLES[sealed.table]
        if sealed.select:
            row, rest = sealed.select
            self.sites.append(Site(table.label(sealed.group), ()))
            return f'(select {table.marker(sealed.group, row)} {self.binder.fill(rest, alias)} as "${number}"'
        marker = "''" if sealed.group in first else table.marker(sealed.group, alias)
        self.sites.append(Site(table.label(sealed.group), (), first.get(sealed.group)))
        first.setdefault(sealed.group, number)
        return f'{marker} as "${number}"'

    def _field(self, annotation: Any, declared: Resource | Part, alias: str, dotted: str, item: Pick) -> str:
        models, many = models_in(annotation)
        if dotted in declared.parts:
            return self.part(declared.parts[dotted], models[0], many, alias, item)
        if dotted in declared.variants:
            return self._variants(models, declared, alias, dotted, item)
        if dotted in declared.sql:
            expression = self.binder.fill(declared.sql[dotted], alias)
        elif models and not many:
            return json_object(self.of_model(models[0], declared, alias, dotted + ".", _wanted(models[0], item)))
        else:
            expression = f'{alias}."{dotted}"'
        if is_timestamp(annotation):
            # RFC 3339. `to_char` gives the same text, and takes twice the time.
            return f"replace(({expression} at time zone 'UTC')::text, ' ', 'T') || 'Z'"
        return self._from_json(expression, models[0], many, item) if item.within else expression

    def part(self, part: Part, model: type[BaseModel], many: bool, alias: str, item: Pick) -> str:
        """Write an embedded record, or list of records; `alias` is the parent's."""
        inner = self._alias("p")
        source = self.binder.fill(part.source, alias).replace("{p}", inner)
        order = f" order by {part.order.replace('{p}', inner)}" if part.order else ""
        columns = ", ".join(self.of_model(model, part, inner, "", _wanted(model, item)))
        rows = f"(select {columns} from {source}{order}) o$"
        return f"(select coalesce(json_agg(o$), '[]') from {rows})" if many else f"(select row_to_json(o$) from {rows})"

    def _variants(
        self, models: list[type[BaseModel]], declared: Resource | Part, alias: str, dotted: str, item: Pick
    ) -> str:
        kind = self.binder.fill(declared.variants[dotted], alias)
        cases = []
        for model in models:
            (label,) = kinds_of(model)
            fields = self.of_model(model, declared, alias, dotted + ".", _wanted(model, item))
            cases.append(f"when '{label}' then {json_object(fields)}")
        return f"case {kind} {' '.join(cases)} end"

    def _from_json(self, expression: str, model: type[BaseModel], many: bool, item: Pick) -> str:
        """Select the wanted members of a field for which the declaration gives complete JSON."""
        inner = self._alias("j")
        columns = []
        for member in _wanted(model, item):
            if isinstance(member, Constant):
                columns.append(f"'{member.text}' as \"{member.key}\"")
            elif isinstance(member, Pick):
                info = model.model_fields[member.name]
                columns.append(f"{inner}.value -> '{info.serialization_alias or member.name}' as \"{member.key}\"")
        record = f"cross join lateral (select {', '.join(columns)}) o$"
        if many:
            return (
                f"(select coalesce(json_agg(o$), '[]') from json_array_elements(({expression})::json) {inner} {record})"
            )
        source = f"(select ({expression})::json as value) {inner}"
        return f"(select row_to_json(o$) from {source} {record} where {inner}.value is not null)"

    def _alias(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}${self.numbered}"


def _wanted(model: type[BaseModel], item: Pick) -> Selection:
    return dict(item.within).get(model, ()) if item.within else fields_of(model)


def json_object(columns: Iterable[str]) -> str:
    """Write a select list as one JSON object."""
    return f"(select row_to_json(o$) from (select {', '.join(columns)}) o$)"


def joined(resource: Resource, columns: str, binder: Binder, alias: str) -> tuple[str, list[str]]:
    """Replace the joins' placeholders in a select list by their aliases, and return the joins that it uses."""
    joins = []
    for name, sql in resource.joins.items():
        placeholder = f"{{{name}}}"
        if placeholder in columns:
            columns = columns.replace(placeholder, name)
            joins.append(f"{binder.fill(sql, alias)} {name}")
    return columns, joins
