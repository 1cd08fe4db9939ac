"""What the declarations say, walked: every statement of a resource, and every field that is hidden from some roles."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

from pydantic import BaseModel

from convenor.features import RESOURCES
from convenor.read_model.annotations import models_in
from convenor.read_model.plan import ParentRecord, Plan, Shape, compile_plan, compile_selection
from convenor.read_model.resource import Part, Resource
from convenor.read_model.row_access import AccessProfile
from convenor.read_model.selection import Edges, Node, One, Page, PageInfo, Pick, Selection, Total
from convenor.security.principal import FieldSensitivity, Role, RowAccess

Declared = TypeVar("Declared", Resource, Part)

CLEARANCES = [
    frozenset(each) for number in range(len(FieldSensitivity) + 1) for each in combinations(FieldSensitivity, number)
]
"""Whatever clearances a caller may have."""


DERIVED = {"possible_duplicates", "continues", "continued_by"}
"""Fields that no column holds: their values are other records' own, which are not hidden."""


@dataclass(frozen=True)
class Hidden:
    """A field that is hidden from some roles, and the column that holds it; none where it is derived."""

    resource: Resource
    path: str
    sensitivity: FieldSensitivity
    table: str
    column: str | None

    @property
    def top(self) -> str:
        """Return the field of the record that it lies in."""
        return self.path.split(".")[0]

    @property
    def marker(self) -> str:
        """Return what stands in the place of its SQL in `marked`."""
        return f"<{self.path}>"


def _hidden_in(resource: Resource, declared: Resource | Part, table: str, before: str) -> Iterator[Hidden]:
    for path, sensitivity in declared.sensitivity.items():
        sql = declared.sql.get(path, f"{{t}}.{path}")
        if selected := re.match(r"\(select (\w+)\.(\w+) from (\w+) \1 where ", sql):
            yield Hidden(resource, before + path, sensitivity, selected[3], selected[2])
            continue
        column = re.fullmatch(r"(?:coalesce\((?:\w+\(.*?)?)?\{t\}\.(\w+)(?:\)?, \{t\}\.\w+\))?", sql)
        assert column or before + path in DERIVED, f"{resource.name}: say here which column holds {before}{path}"
        yield Hidden(resource, before + path, sensitivity, table, column[1] if column else None)
    for path, part in declared.parts.items():
        yield from _hidden_in(resource, part, part.source.split()[0], f"{before}{path}.")


HIDDEN = [each for resource in RESOURCES.values() for each in _hidden_in(resource, resource, resource.table, "")]
STORED = [each for each in HIDDEN if each.column]
"""Those that a column holds."""


def marked(resource: Resource) -> Resource:
    """Return the resource with a marker in the place of each hidden field's SQL."""
    return _marked(resource, "")


def _marked(declared: Declared, before: str) -> Declared:
    markers = {path: f"'<{before}{path}>'" for path in declared.sensitivity}
    parts = {path: _marked(part, f"{before}{path}.") for path, part in declared.parts.items()}
    return replace(declared, sql={**declared.sql, **markers}, parts=parts)


def access_profiles(role: Role, clearances: frozenset[FieldSensitivity]) -> Iterator[AccessProfile]:
    """Return a caller of one area, school or provider, and one of several."""
    yield AccessProfile(role, clearances, frozenset())
    yield AccessProfile(role, clearances, frozenset(RowAccess))


def picks(model: type[BaseModel]) -> Selection:
    """Return everything of a model, under other keys than its own."""
    return tuple(
        Pick(f"key_{name}", name, tuple((inner, picks(inner)) for inner in models_in(info.annotation)[0]))
        for name, info in model.model_fields.items()
        if name != "redacted"
    )


def rest_plans(resource: Resource, profile: AccessProfile) -> Iterator[tuple[frozenset[str] | None, Plan]]:
    """Return every statement of REST, one by one, with the fields that it is asked for."""
    record = Shape(resource, "one", profile)
    whole = Shape(resource, "list", profile, sort=resource.order.removeprefix("-"))
    shapes = [record, whole, replace(whole, count=True, after=True, descending=True)]
    shapes += [replace(record, by="natural_key")] if resource.natural_key else []
    shapes += [
        replace(shape, fields=frozenset([name])) for name in resource.read.model_fields for shape in (record, whole)
    ]
    shapes += [replace(whole, sort=name, after=True) for name in resource.sorts]
    shapes += [
        replace(whole, filters=(name,), count=True)
        for name, each in resource.filters.items()
        if each.sensitivity is None or each.sensitivity in profile.clearances
    ]
    shapes += [
        replace(whole, under=ParentRecord(parent, relation, "id"))
        for parent in RESOURCES.values()
        for relation in parent.relations.values()
        if relation.target == resource.name
    ]
    for shape in shapes:
        yield shape.fields, compile_plan(shape)


def graph_plans(resource: Resource, profile: AccessProfile) -> Iterator[Plan]:
    """Return a record, a page, and the same at the end of every relation that leads there."""
    selection, sort = picks(resource.read), resource.order.removeprefix("-")
    places = PageInfo("place", (("more", "hasNextPage"), ("start", "startCursor"), ("end", "endCursor")))
    page = Page("page", resource, (Edges("rows", (Node("row", selection),)), places, Total("n")), 5, sort, False)
    yield compile_selection((One("one", resource, selection, at="/one"),), profile)
    yield compile_selection((replace(page, at="/page", after=True),), profile)
    for parent in RESOURCES.values():
        for relation in parent.relations.values():
            if relation.target == resource.name:
                link = replace(page, relation=relation) if relation.many else One("r", resource, selection, relation)
                yield compile_selection((One("one", parent, (link,), at="/one"),), profile)
