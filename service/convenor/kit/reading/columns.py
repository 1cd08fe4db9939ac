"""The select list of a read model: names and types from the model, the rest from the declaration."""

from dataclasses import dataclass, field
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from convenor.kit.principal import Wall
from convenor.kit.reading.declare import Part, Resource


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
