"""Codes: what is refused, with which code, and that no message gives the value away."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlmodel import AutoString, Field, SQLModel

from convenor.domain_types.codes import (
    AreaOfNeed,
    CompanyNumber,
    GssCode,
    LaCode,
    Laestab,
    Line,
    NhsNumber,
    OdsCode,
    Prose,
    SenProvision,
    Ukprn,
    Upn,
    Urn,
    nhs_check_digit,
    upn_check_letter,
)

LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
DIGITS = "0123456789"

UNSEEN = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff"
"""Zero-width and bidirectional characters."""
BLANK = "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0"
"""Characters that may stand in text, and show nothing alone."""
CODES = [
    (Upn, "upn"),
    (NhsNumber, "nhs_number"),
    (Urn, "urn"),
    (Ukprn, "ukprn"),
    (Laestab, "laestab"),
    (OdsCode, "ods_code"),
    (LaCode, "la_code"),
    (GssCode, "gss_code"),
    (CompanyNumber, "company_number"),
]

PLACEHOLDERS = {digit * length for digit in DIGITS for length in (10, 11, 12)} | {
    *("0123456789", "01234567890", "012345678901", "1234567890", "12345678901", "123456789012")
}
upn_bodies = st.builds(
    str.__add__, st.text(DIGITS, min_size=11, max_size=11), st.sampled_from(list(DIGITS) + list(LETTERS))
).filter(lambda body: body.rstrip(LETTERS) not in PLACEHOLDERS)
nhs_numbers = (
    st.text(DIGITS, min_size=9, max_size=9)
    .map(lambda nine: (nine, nhs_check_digit(nine)))
    .filter(lambda made: made[1] is not None)
    .map(lambda made: f"{made[0]}{made[1]}")
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def fault(kind: Any, value: object) -> str:
    """The code of the one fault that `value` has, having checked that its message keeps the value to itself."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    [error] = caught.value.errors()
    if len(str(value).strip()) > 3:
        assert str(value).strip() not in error["msg"]
    return error["type"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "B80120000500",
        "B8012000050011",
        "b801200005001",
        "I801200005001",
        "8801200005001",
        "P80320002601S",
        "P80320002601a",
        "P8032000260AA",
        "B801200005001\n",
        " B801200005001",
        "B80120000500١",
    ],
)
def test_a_upn_of_another_shape_is_refused(value: str) -> None:
    assert fault(Upn, value) == "upn_format"


@given(upn_bodies, st.sampled_from(LETTERS))
def test_a_upn_is_valid_with_its_own_check_letter_only(body: str, letter: str) -> None:
    if letter == upn_check_letter(body):
        assert read(Upn, letter + body) == letter + body
    else:
        assert fault(Upn, letter + body) == "upn_check_letter"


@given(upn_bodies, st.integers(0, 10), st.integers(1, 9))
def test_one_changed_digit_of_a_upn_is_detected(body: str, at: int, by: int) -> None:
    changed = body[:at] + str((int(body[at]) + by) % 10) + body[at + 1 :]
    assert fault(Upn, upn_check_letter(body) + changed) == "upn_check_letter"


@pytest.mark.parametrize("upn", ["B801200005001", "P80320002601A"])
def test_permanent_and_temporary_upns_are_accepted(upn: str) -> None:
    assert read(Upn, upn) == upn


def test_a_final_letter_counts_by_its_place_among_the_letters_in_use() -> None:
    # The sums are 246 and 259, and 13 x 22 more for Z, whose place is 22 (it would be 25 among all letters).
    assert upn_check_letter("80320002601A") == LETTERS[(8 * 2 + 3 * 4 + 2 * 5 + 2 * 9 + 6 * 10 + 1 * 12) % 23]
    assert upn_check_letter("80320002601Z") == LETTERS[(8 * 2 + 3 * 4 + 2 * 5 + 2 * 9 + 6 * 10 + 1 * 12 + 22 * 13) % 23]


@pytest.mark.parametrize("body", ["", "80120000500", "B801200005001", "80120000500I", "8012 0000500"])
def test_no_check_letter_is_made_for_what_is_not_a_upn(body: str) -> None:
    with pytest.raises(ValueError, match="eleven digits"):
        upn_check_letter(body)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "999000001",
        "99900000188",
        "999.000.0018",
        "999000001X",
        "٩990000018",
        "999\t0000018",
        "-" * 31 + "9990000018",
    ],
)
def test_an_nhs_number_of_another_shape_is_refused(value: str) -> None:
    assert fault(NhsNumber, value) == "nhs_number_format"


@pytest.mark.parametrize("value", ["4857773456", "9990000019", "9434765871"])
def test_an_nhs_number_with_a_wrong_check_digit_is_refused(value: str) -> None:
    assert fault(NhsNumber, value) == "nhs_number_check_digit"


@pytest.mark.parametrize("body", [*sorted(PLACEHOLDERS - {each for each in PLACEHOLDERS if len(each) < 11})])
def test_a_upn_of_one_digit_or_of_digits_that_count_up_is_a_placeholder(body: str) -> None:
    body = body if len(body) == 12 else f"{body}A"
    assert fault(Upn, upn_check_letter(body) + body) == "upn_placeholder"


@pytest.mark.parametrize("number", [each for each in sorted(PLACEHOLDERS) if len(each) == 10])
def test_an_nhs_number_of_one_digit_or_of_digits_that_count_up_is_a_placeholder(number: str) -> None:
    assert fault(NhsNumber, number) == "nhs_number_placeholder"


@given(st.text(DIGITS, min_size=9, max_size=9), st.sampled_from(DIGITS))
def test_an_nhs_number_is_valid_with_its_own_check_digit_only(nine: str, last: str) -> None:
    if nine + last in PLACEHOLDERS:
        assert fault(NhsNumber, nine + last) == "nhs_number_placeholder"
    elif str(nhs_check_digit(nine)) == last:
        assert read(NhsNumber, nine + last) == nine + last
    else:
        assert fault(NhsNumber, nine + last) == "nhs_number_check_digit"


@given(nhs_numbers, st.integers(0, 9), st.integers(1, 9))
def test_one_changed_digit_of_an_nhs_number_is_detected(number: str, at: int, by: int) -> None:
    changed = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert fault(NhsNumber, changed) == "nhs_number_check_digit"


@given(nhs_numbers, st.integers(0, 8))
def test_two_swapped_neighbours_of_an_nhs_number_are_detected(number: str, at: int) -> None:
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert swapped == number or fault(NhsNumber, swapped) == "nhs_number_check_digit"


def test_nine_digits_whose_check_digit_would_be_ten_begin_no_nhs_number() -> None:
    assert nhs_check_digit("999000000") is None
    assert {fault(NhsNumber, "999000000" + last) for last in DIGITS} == {"nhs_number_check_digit"}


@pytest.mark.parametrize("nine", ["", "99900000", "9990000018", "99900000A", "999 00000"])
def test_no_check_digit_is_made_for_what_is_not_nine_digits(nine: str) -> None:
    with pytest.raises(ValueError, match="nine digits"):
        nhs_check_digit(nine)


@pytest.mark.parametrize("written", ["9434765870", "943 476 5870", "943-476-5870", " 943 - 4765870 "])
def test_an_nhs_number_is_kept_as_digits_however_it_is_spaced(written: str) -> None:
    assert read(NhsNumber, written) == "9434765870"


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Urn, "urn", "90000"),
        (Urn, "urn", "9000010"),
        (Urn, "urn", "90000A"),
        (Urn, "urn", "900001\n"),
        (Ukprn, "ukprn", "9900000"),
        (Ukprn, "ukprn", "990000011"),
        (Laestab, "laestab", "999/2001"),
        (Laestab, "laestab", "999200"),
        (OdsCode, "ods_code", ""),
        (OdsCode, "ods_code", "ZZ9012345X"),
        (OdsCode, "ods_code", "ZZ-01"),
        (OdsCode, "ods_code", "ſ1"),
        (LaCode, "la_code", "99"),
        (LaCode, "la_code", "E99"),
        (GssCode, "gss_code", "W06000001"),
        (GssCode, "gss_code", "E0600001"),
        (GssCode, "gss_code", "e06000001"),
        (CompanyNumber, "company_number", "9999999"),
        (CompanyNumber, "company_number", "sc999999"),
        (CompanyNumber, "company_number", "SC99A999"),
    ],
)
def test_a_code_of_another_shape_is_refused_by_name(kind: Any, name: str, value: str) -> None:
    assert fault(kind, value) == f"{name}_format"


@pytest.mark.parametrize(("kind", "_name"), CODES)
def test_a_code_is_text_and_never_a_number(kind: Any, _name: str) -> None:
    assert fault(kind, 900001) == "string_type"


def test_an_ods_code_is_kept_in_capitals() -> None:
    assert read(OdsCode, "zz901") == "ZZ901"


@pytest.mark.parametrize(("kind", "_name"), [*CODES, (Line, "line"), (Prose, "prose")])
def test_the_documented_pattern_agrees_with_what_is_accepted(kind: Any, _name: str) -> None:
    schema = TypeAdapter(kind).json_schema()
    pattern = re.compile(schema["pattern"])
    for example in schema.get("examples", ["a line"]):
        assert pattern.search(example)
        assert pattern.search(read(kind, example)), "what is stored and given out must fit the same pattern"
    assert not pattern.search("")
    assert schema == TypeAdapter(kind).json_schema(mode="serialization")


@pytest.mark.parametrize(("kind", "_name"), CODES)
def test_every_code_is_described_with_an_example(kind: Any, _name: str) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert schema["description"]
    assert schema["examples"]


def test_codes_keep_their_rules_in_wire_shapes_and_are_text_columns_in_tables() -> None:
    class Fields(BaseModel):
        upn: Upn | None = Field(default=None, description="The pupil's UPN, as the school states it.")
        ods_code: OdsCode
        name: Line
        provision: SenProvision

    class CodesOfARow(Fields, SQLModel, table=True):
        id: int = Field(primary_key=True)

    assert fault(Fields, {"upn": "A801200005001", "ods_code": "X", "name": "n", "provision": "K"}) == "upn_check_letter"
    columns = SQLModel.metadata.tables["codesofarow"].columns
    try:
        assert {type(columns[name].type) for name in ("upn", "ods_code", "name")} == {AutoString}
        assert (columns["upn"].nullable, columns["ods_code"].nullable) == (True, False)
    finally:
        SQLModel.metadata.remove(SQLModel.metadata.tables["codesofarow"])


@pytest.mark.parametrize("value", [*"\n\t\0\u2028\x85\x7f", *UNSEEN])
def test_a_line_with_a_break_or_a_character_that_nobody_sees_is_refused(value: str) -> None:
    assert fault(Line, f"a{value}b") == "line_control_character"


def test_prose_may_hold_what_languages_are_written_with_but_not_that_alone() -> None:
    assert read(Prose, "می\u200cروم\u200f") == "می\u200cروم\u200f"
    for value in UNSEEN:
        assert fault(Prose, f" {value} ") == "prose_unseen"


@pytest.mark.parametrize("kind", [Line, Prose])
def test_text_of_blank_characters_alone_is_refused(kind: Any) -> None:
    name = "line" if kind is Line else "prose"
    for value in BLANK:
        assert fault(kind, f" {value}{value} ") == f"{name}_unseen"
        assert read(kind, f"a{value}b") == f"a{value}b"
        assert not re.search(TypeAdapter(kind).json_schema()["pattern"], value)


@pytest.mark.parametrize("value", ["a\x00b", "a\x0bb", "a\x1bb", "a\x9bb"])
def test_prose_with_a_control_character_is_refused(value: str) -> None:
    assert fault(Prose, value) == "prose_control_character"


@pytest.mark.parametrize(("kind", "longest"), [(Line, 200), (Prose, 4000)])
def test_text_is_neither_blank_nor_endless(kind: Any, longest: int) -> None:
    assert fault(kind, " \u00a0 ") == "string_too_short"
    assert fault(kind, "a" * (longest + 1)) == "string_too_long"
    assert read(kind, "a" * longest + "  ") == "a" * longest


def test_text_keeps_what_people_write() -> None:
    assert read(Line, "  St Mary’s, Zoë & Łukasz\n") == "St Mary’s, Zoë & Łukasz"
    assert read(Prose, "First.\r\n\tSecond.\n") == "First.\r\n\tSecond."


@pytest.mark.parametrize(("kind", "longest"), [(Line, 200), (Prose, 4000)])
def test_text_is_kept_and_measured_in_one_form_of_unicode(kind: Any, longest: int) -> None:
    assert read(kind, "Zoe\u0308 A\u030angstro\u0308m \u212b") == "Zo\u00eb \u00c5ngstr\u00f6m \u00c5"
    assert read(kind, "e\u0308" * longest) == "\u00eb" * longest
    assert fault(kind, "e\u0308" * (longest + 1)) == "string_too_long"
    assert fault(kind, 900001) == "string_type"


def test_lists_are_documented_as_closed_lists_of_text() -> None:
    schema = TypeAdapter(SenProvision).json_schema()
    assert (schema["type"], schema["enum"]) == ("string", ["E", "K", "N"])
    assert json.loads(TypeAdapter(AreaOfNeed).dump_json(AreaOfNeed.PHYSICAL_AND_SENSORY)) == "P&S"
    assert fault(SenProvision, "k") == "enum"
