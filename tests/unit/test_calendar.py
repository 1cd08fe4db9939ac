"""Years, today and rounding, as schools and authorities count them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from convenor.domain_types.dates import AcademicYear, FullDate, half_up, london_date, today

days = st.dates(date(1900, 9, 1), date(2099, 8, 31))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2025/27", "year_sequence"),
        ("2025/25", "year_sequence"),
        ("2025/24", "year_sequence"),
        ("2025-26", "year_format"),
        ("2025/2026", "year_format"),
        ("25/26", "year_format"),
        ("9999/00", "year_format"),
        ("2025/26\n", "year_format"),
        ("", "year_format"),
    ],
)
def test_a_year_that_is_not_two_in_sequence_is_refused(text: str, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AcademicYear).validate_python(text)
    assert [error["type"] for error in caught.value.errors()] == [code]


def test_an_academic_year_runs_from_september_to_august() -> None:
    year = AcademicYear.parse("2025/26")
    assert (year.first_day, year.last_day) == (date(2025, 9, 1), date(2026, 8, 31))
    assert year.months == (
        *(date(2025, month, 1) for month in range(9, 13)),
        *(date(2026, month, 1) for month in range(1, 9)),
    )


def test_the_last_year_of_a_century_ends_in_00() -> None:
    year = AcademicYear.parse("1999/00")
    assert (year.last_day, str(year)) == (date(2000, 8, 31), "1999/00")


@given(days)
def test_every_day_is_in_the_year_that_it_is_said_to_be_of_and_in_no_other(day: date) -> None:
    year = AcademicYear.of(day)
    assert day in year
    assert day not in AcademicYear(year.start - 1)
    assert day not in AcademicYear(year.start + 1)
    assert day.replace(day=1) in year.months
    assert AcademicYear.parse(str(year)) == year


@pytest.mark.parametrize(
    ("day", "year"),
    [(date(2025, 8, 31), "2024/25"), (date(2025, 9, 1), "2025/26"), (date(2026, 8, 31), "2025/26")],
)
def test_a_year_turns_on_its_first_day(day: date, year: str) -> None:
    assert str(AcademicYear.of(day)) == year


def test_a_year_travels_as_text() -> None:
    adapter = TypeAdapter(AcademicYear)
    assert adapter.dump_json(adapter.validate_json('"2025/26"')) == b'"2025/26"'
    assert adapter.json_schema()["examples"] == ["2025/26"]


def test_a_moment_without_a_time_zone_has_no_date_in_london() -> None:
    with pytest.raises(ValueError, match="time zone"):
        london_date(datetime(2026, 7, 1, 12, 0))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 7, 1, 22, 59, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 7, 1, 23, 0, tzinfo=UTC), date(2026, 7, 2)),
        (datetime(2026, 1, 1, 23, 59, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=9))), date(2026, 1, 1)),
    ],
)
def test_the_day_turns_at_midnight_in_london_summer_and_winter(at: datetime, expected: date) -> None:
    assert london_date(at) == expected


@pytest.mark.parametrize("day", ["1900-01-01", "2999-12-31"])
def test_a_date_lies_in_1900_to_2999(day: str) -> None:
    assert str(TypeAdapter[date](FullDate).validate_python(day)) == day


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "3000-01-01", "9999-12-31"])
def test_a_date_outside_1900_to_2999_is_refused(day: str) -> None:
    with pytest.raises(ValidationError, match="from 1900 to 2999"):
        TypeAdapter[date](FullDate).validate_python(day)


def test_today_is_the_date_in_london() -> None:
    earlier = london_date(datetime.now(UTC))
    assert earlier <= today() <= london_date(datetime.now(UTC))


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("0.5", 0, "1"),
        ("1.5", 0, "2"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("2.675", 2, "2.68"),
        ("0.25", 1, "0.3"),
        ("0.2499999999", 1, "0.2"),
        ("12", 1, "12.0"),
    ],
)
def test_halves_are_rounded_away_from_zero(value: str, places: int, expected: str) -> None:
    assert str(half_up(Decimal(value), places)) == expected


def test_what_rounds_to_zero_from_below_is_plain_zero() -> None:
    assert str(half_up(Decimal("-0.04"), 1)) == "0.0"
