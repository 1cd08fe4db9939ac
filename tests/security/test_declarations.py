"""A declaration that names what is not there stops the start of the application, and says what there is."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from sqlalchemy import UniqueConstraint
from sqlmodel import SQLModel

from convenor.domain_types.codes import Prose
from convenor.features import RESOURCES
from convenor.read_model.checks import check_together
from convenor.read_model.resource import OPEN_TO_AREA, DefaultFilter, Filter, Part, Relation, Resource, Sort
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import FieldSensitivity, Role
from convenor.slas.resource import SLAS


class Tool(BaseModel):
    kind: Literal["tool"]
    name: str


class Toy(BaseModel):
    kind: Literal["toy"]
    colour: str


class Box(BaseModel):
    size: int
    label: str | None


class Shelf(BaseModel):
    id: int
    note: str
    box: Box
    boxes: list[Box]
    thing: Tool | Toy
    redacted: list[str]


SHELVES = Resource(
    name="shelves",
    singular="shelf",
    table="shelf",
    read=Shelf,
    row_access=OPEN_TO_AREA,
    order="-id",
    sorts={"id": Sort("id", "int")},
    joins={"weighed": "cross join lateral weigh({t}.id)"},
    sql={
        "box.size": "{weighed}.size",
        "box.label": "{t}.label",
        "thing.kind": "{t}.thing_kind",
        "thing.name": "{t}.label",
        "thing.colour": "{t}.label",
    },
    parts={"boxes": Part("box {p} where {p}.shelf_id = {t}.id", order="{p}.size")},
    variants={"thing": "{t}.thing_kind"},
    sensitivity={
        "note": FieldSensitivity.IDENTITY,
        "box.label": FieldSensitivity.IDENTITY,
        "thing.colour": FieldSensitivity.IDENTITY,
    },
    filters={
        "note_of": Filter("{t}.note = {v} and {area} = {area}", "text", str, "By note.", FieldSensitivity.IDENTITY)
    },
    relations={"neighbours": Relation("shelves", {"id": "id"}, where="{t}.id > {p}.id")},
)
SHOWN = Filter("{t}.id = {v}", "int", int, "By id.")
BOXES = SHELVES.parts["boxes"]


def _part(**changed: Any) -> dict[str, Any]:
    return {"parts": {"boxes": replace(BOXES, **changed)}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a hidden field that is misspelt": (
        {"sensitivity": {"nota": FieldSensitivity.IDENTITY}},
        'sensitivity names "nota"',
    ),
    "a hidden field by another's path": (
        {"sensitivity": {"box.lable": FieldSensitivity.IDENTITY}},
        'sensitivity names "box.lable"',
    ),
    "a hidden field within a part": (
        {"sensitivity": {"boxes.label": FieldSensitivity.IDENTITY}},
        'sensitivity names "boxes.label"',
    ),
    "a hidden field within what is given whole": (
        {"sql": {"box": "{t}.box"}, "sensitivity": {"box.label": FieldSensitivity.IDENTITY}},
        'sensitivity names "box.label"',
    ),
    "a part's hidden field that is misspelt": (
        _part(sensitivity={"lable": FieldSensitivity.IDENTITY}),
        'sensitivity names "lable"',
    ),
    "the SQL of no field": ({"sql": {"sise": "1"}}, 'sql names "sise"'),
    "the SQL of no field of a part": (_part(sql={"sise": "1"}), 'sql names "sise"'),
    "a part of no field": ({"parts": {"baskets": BOXES}}, 'parts names "baskets"'),
    "a part of a part that is no field": (_part(parts={"lids": BOXES}), 'parts names "lids"'),
    "variants of no field": ({"variants": {"thing": "1", "thong": "1"}}, 'variants names "thong"'),
    "a field that is declared twice": ({"sql": {"boxes": "'[]'"}}, "is in sql and in parts"),
    "a part of what is no record": ({"parts": {"boxes": BOXES, "note": BOXES}}, "holds 0 models"),
    "variants of what is no choice": ({"variants": {"thing": "1", "box": "1"}}, "needs models that each have a `kind`"),
    "a choice without variants": ({"variants": {}, "sensitivity": {}}, "thing is one of 2 models"),
    "hidden fields that no answer can name": (
        {"read": Box, "sql": {}, "parts": {}, "variants": {}, "sensitivity": {"label": FieldSensitivity.IDENTITY}},
        "needs a field `redacted`",
    ),
    "an order that is none of its sorts": ({"order": "size"}, 'order names "size"'),
    "a sort by a hidden field": ({"sorts": {"id": Sort("note", "text")}}, "discloses a field"),
    "a default of no filter": (
        {"default_filters": {Role.BOARD: DefaultFilter("true", unless="note")}},
        'unless names "note"',
    ),
    "a placeholder of a filter in a field": ({"sql": {"id": "{v}"}}, "names {v}"),
    "a placeholder that is misspelt": ({"sql": {"id": "{T}.id"}}, "names {T}"),
    "a join that is misspelt": ({"sql": {"box.size": "{weighted}.size"}}, "names {weighted}"),
    "a placeholder in a part's source": (_part(source="box {p} where {p}.id = {v}"), "source names {v}"),
    "a placeholder in a part's order": (_part(order="{t}.size"), "order names {t}"),
    "a placeholder in a part's field": (_part(sql={"size": "{p}.size"}), "names {p}"),
    "a placeholder in variants": ({"variants": {"thing": "{kind}"}}, "names {kind}"),
    "a placeholder in a join": ({"joins": {"weighed": "join x on {p}.id"}}, "names {p}"),
    "a placeholder in a filter": ({"filters": {"id": replace(SHOWN, sql="{t}.id = {value}")}}, "names {value}"),
    "a placeholder in a default": ({"filters": {"id": replace(SHOWN, default_sql="{t}.id = {v}")}}, "names {v}"),
    "a placeholder in a role's default": (
        {"default_filters": {Role.BOARD: DefaultFilter("{t}.id = any({key})", unless="note_of")}},
        "names {key}",
    ),
    "a placeholder in a relation": ({"relations": {"all": Relation("shelves", where="{parent}.id")}}, "names {parent}"),
    "a placeholder in an id": ({"id_sql": "{today}"}, "names {today}"),
    "a placeholder in a subject": ({"subject": "{p}.id"}, "names {p}"),
    "a placeholder in what serves clusters": ({"within_clusters": "{area}"}, "names {area}"),
}


def test_every_filter_by_a_closed_list_takes_several_of_its_words() -> None:
    single = [
        f"{resource.name}.{name}"
        for resource in RESOURCES.values()
        for name, declared in resource.filters.items()
        if isinstance(declared.type_, type) and issubclass(declared.type_, StrEnum)
    ]
    assert single == []


@pytest.mark.parametrize(("changed", "named"), WRONG.values(), ids=WRONG)
def test_a_declaration_refuses_what_is_not_there(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match="shelves: ") as refused:
        replace(SHELVES, **changed)
    assert named in str(refused.value)


COLUMNS = {"shelf": {"id", "note", "label", "thing_kind", "version"}, "box": {"id", "shelf_id", "size", "label"}}
APART: dict[str, tuple[dict[str, Any], str]] = {
    "a relation to no resource": ({"relations": {"all": Relation("shelfs")}}, 'relations[all] names "shelfs"'),
    "a relation on no column of the target": (
        {"relations": {"all": Relation("shelves", {"upper_id": "id"})}},
        'relations[all] in table shelf names "upper_id"',
    ),
    "a relation on no column of its own": (
        {"relations": {"all": Relation("shelves", {"id": "lower_id"})}},
        'relations[all] in table shelf names "lower_id"',
    ),
    "a sort by no column": ({"sorts": {"id": Sort("ident", "int")}}, 'sorts[id] in table shelf names "ident"'),
    "a natural key that is no column": ({"natural_key": "code"}, 'natural_key in table shelf names "code"'),
    "a version that is no column": ({"etag": "etag"}, 'etag in table shelf names "etag"'),
    "a table that is misspelt": ({"table": "shelve"}, 'table names "shelve"'),
    "a field that is no column": ({"sql": {}}, 'read in table shelf names "box.size"'),
    "the SQL of no column": (
        {"sql": {**SHELVES.sql, "box.size": "{t}.sise"}},
        'sql[box.size] in table shelf names "sise"',
    ),
    "variants by no column": ({"variants": {"thing": "{t}.kind"}}, 'variants[thing] in table shelf names "kind"'),
    "a filter by no column": (
        {"filters": {"id": replace(SHOWN, sql='{t}."ident" = {v}')}},
        'filters[id].sql in table shelf names "ident"',
    ),
    "a default by no column": (
        {"filters": {"id": replace(SHOWN, default_sql="{t}.ended")}},
        'filters[id].default_sql in table shelf names "ended"',
    ),
    "a role's default by no column": (
        {"default_filters": {Role.BOARD: DefaultFilter("{t}.ended", unless="note_of")}},
        'default_filters[board].sql in table shelf names "ended"',
    ),
    "a join on no column": ({"joins": {"weighed": "join x on {t}.x"}}, 'joins[weighed] in table shelf names "x"'),
    "an id that is no column": ({"id_sql": "{t}.ident"}, 'id_sql in table shelf names "ident"'),
    "a subject that is no column": ({"subject": "{t}.pupil"}, 'subject in table shelf names "pupil"'),
    "a relation where no column of its own is": (
        {"relations": {"all": Relation("shelves", where="{t}.id > {p}.ident")}},
        'relations[all] in table shelf names "ident"',
    ),
    "a relation where no column of the target is": (
        {"relations": {"all": Relation("shelves", where="{t}.ident > {p}.id")}},
        'relations[all] in table shelf names "ident"',
    ),
    "a part's source by no column": (
        _part(source="box {p} where {p}.shelf = {t}.id"),
        'parts[boxes] in table box names "shelf"',
    ),
    "a part's source by no column of its parent": (
        _part(source="box {p} where {p}.shelf_id = {t}.ident"),
        'parts[boxes].source in table shelf names "ident"',
    ),
    "a part's order by no column": (_part(order="{p}.width"), 'parts[boxes] in table box names "width"'),
    "the SQL of no column of a part": (
        _part(sql={"size": "{t}.width"}),
        'parts[boxes]: sql[size] in table box names "width"',
    ),
}


@pytest.mark.parametrize(("changed", "named"), APART.values(), ids=APART)
def test_declarations_together_refuse_what_does_not_fit(changed: dict[str, Any], named: str) -> None:
    check_together([SHELVES], COLUMNS)
    with pytest.raises(ValueError, match="shelves: ") as refused:
        check_together([replace(SHELVES, **changed)], COLUMNS)
    assert named in str(refused.value)


class Letter(BaseModel):
    body: Prose | None


class Folder(BaseModel):
    id: int
    note: Prose
    letters: list[Letter]
    redacted: list[str]


def test_a_declaration_that_forgets_a_free_text_is_refused() -> None:
    letters, open_letters = Part("letter {p}"), Part("letter {p}", open_free_text=("body",))
    decided = {"sensitivity": {"note": FieldSensitivity.IDENTITY}, "parts": {"letters": open_letters}}
    folders = replace(SHELVES, read=Folder, joins={}, sql={}, variants={}, **decided)
    for forgotten, named in (
        ({"sensitivity": {}}, "note is free text"),
        ({"parts": {"letters": letters}}, "body is free text"),
        ({"parts": {}, "sql": {"letters": "{t}.letters"}}, "letters is free text"),
    ):
        with pytest.raises(ValueError, match=named):
            replace(folders, **forgotten)
    replace(folders, sensitivity={}, open_free_text=("note",))


def test_a_refusal_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"Known here: id, from_status, to, reason, organisation, at\.$"):
        replace(RESOURCES["sla_transitions"], sensitivity={"reson": FieldSensitivity.IDENTITY})


@pytest.mark.parametrize("resource", [REFERRALS, SLAS], ids=lambda resource: resource.name)
def test_any_misspelt_key_of_a_real_resource_is_refused(resource: Resource) -> None:
    for what in ("sql", "sensitivity", "parts", "variants"):
        declared = getattr(resource, what)
        for key in declared:
            changed = {name + "s" if name == key else name: value for name, value in declared.items()}
            with pytest.raises(ValueError, match=f'{what} names "{key}s"'):
                replace(resource, **{what: changed})


def test_a_natural_key_names_one_record_of_an_area_unless_it_is_declared_as_shared() -> None:
    for resource in RESOURCES.values():
        if resource.natural_key and not resource.view:
            table = SQLModel.metadata.tables[resource.table]
            unique = [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
            unique += [index.columns for index in table.indexes if index.unique]
            names_one = any({*columns.keys()} <= {"area_id", resource.natural_key} for columns in unique)
            assert names_one is not resource.shared_key, resource.name
