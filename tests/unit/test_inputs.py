"""A body whose fields have no place to go cannot be made, so that the application does not start."""

import pytest
from pydantic import BaseModel, Field, ValidationError, create_model

from convenor.domain_types.codes import ClusterCode, Line
from convenor.domain_types.inputs import InputModel, InputPart, NotNullable, Patch, optional_field


class Stored(BaseModel):
    """What stands in for a table."""

    name: ClusterCode = Field(description="Its name.")
    note: Line | None = Field(None, description="A note.")
    visit_on: str | None = None
    visit_place: str | None = None


class Visit(InputPart):
    on: str
    place: str | None = None


class Correction(Patch, stored_as=Stored):
    name: ClusterCode | None = optional_field(Stored, "name")
    note: Line | None = optional_field(Stored, "note")
    visit: Visit | None = None


def test_a_body_with_a_field_that_no_column_holds_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"Body would accept fields and lose them: colour \(no column colour\)"):

        class Body(InputModel, stored_as=Stored):
            name: str
            colour: str


def test_a_body_whose_field_limits_a_text_instead_of_its_type_cannot_be_made() -> None:
    for annotation in (Line, Line | None):
        with pytest.raises(TypeError, match=r"Body\.name limits a text by `Field`"):
            create_model("Body", __base__=InputPart, name=(annotation, Field(max_length=5)))


def test_a_body_without_a_table_resolves_every_field() -> None:
    with pytest.raises(TypeError, match="name"):

        class Body(InputModel):
            name: str

    class Resolved(InputModel, resolved={"name"}):
        name: str

    assert Resolved(name="A").columns() == {}


def test_a_part_with_a_field_that_no_column_holds_cannot_be_in_a_body() -> None:
    class LongVisit(Visit):
        minutes: int

    with pytest.raises(TypeError, match="visit_minutes"):

        class Body(InputModel, stored_as=Stored):
            visit: LongVisit


def test_a_rule_cannot_resolve_a_part_that_no_row_stores() -> None:
    with pytest.raises(TypeError, match="in a part that no row stores"):

        class Body(InputModel, resolved={"visit"}):
            visit: Visit


def test_a_body_within_a_body_is_a_row_of_its_own_and_resolved_by_a_rule() -> None:
    class Inner(InputModel, stored_as=Stored):
        name: str

    with pytest.raises(TypeError, match="a rule resolves it"):

        class Body(InputModel, stored_as=Stored):
            visit: Inner


def test_a_list_of_parts_needs_a_rule_and_a_row_of_its_own() -> None:
    with pytest.raises(TypeError, match="no column visits"):

        class Body(InputModel, stored_as=Stored):
            visits: list[Visit]

    with pytest.raises(TypeError, match="in a part that no row stores"):

        class Resolved(InputModel, resolved={"visits"}):
            visits: list[Visit]


def test_two_fields_of_a_body_cannot_share_a_column() -> None:
    with pytest.raises(TypeError, match=r"note \(written twice\)"):

        class Body(InputModel, stored_as=Stored, columns={"remark": "note"}):
            note: str
            remark: str


def test_a_body_cannot_declare_a_field_that_it_lacks() -> None:
    with pytest.raises(TypeError, match="no such fields: colour"):

        class Body(InputModel, stored_as=Stored, resolved={"colour"}):
            name: str


def test_a_correction_stores_what_was_sent_and_a_null_part_empties_all_its_columns() -> None:
    assert Correction(note=None).columns() == {"note": None}
    assert Correction(visit=None).columns() == {"visit_on": None, "visit_place": None}
    assert Correction(visit=Visit(on="today")).columns() == {"visit_on": "today", "visit_place": None}


def test_a_correction_has_the_description_limits_and_nullability_of_the_field_that_it_copies() -> None:
    assert Correction.model_fields["name"].description == "Its name."
    assert NotNullable in Correction.model_fields["name"].metadata
    for wrong in (None, "longer than twenty characters"):
        with pytest.raises(ValidationError):
            Correction(name=wrong)


def test_a_correction_cannot_differ_in_type_from_the_field_that_it_copies() -> None:
    with pytest.raises(TypeError, match="not the field `name`"):

        class Other(Patch, stored_as=Stored):
            name: int | None = optional_field(Stored, "name")
