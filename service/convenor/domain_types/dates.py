"""Define dates, timestamps and academic years as schools and authorities count them, and rounding as they round."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

LONDON: Final = ZoneInfo("Europe/London")
_TIMESTAMP: Final = r"[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d(?::?\d\d)?)"
_FIRST_MONTH: Final = 9
_SPLIT_YEAR: Final = "(?:19|20)[0-9]{2}/[0-9]{2}"


def london_date(at: datetime) -> date:
    """Return the date in Europe/London at a time.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("A timestamp needs its time zone.")
    return at.astimezone(LONDON).date()


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return today's date in Europe/London, the only "today" of this service."""
    return london_date(now())


def _timestamp(text: object) -> datetime:
    if isinstance(text, str) and re.fullmatch(_TIMESTAMP, text, re.IGNORECASE):
        with suppress(ValueError):
            read = datetime.fromisoformat(text.upper())
            if 1900 <= read.year < 3000:
                return read
    raise PydanticCustomError(
        "timestamp_format", "Write a timestamp as in RFC 3339, with its time zone: 2026-01-20T09:30:00Z."
    )


def _full_date(text: object) -> date:
    if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        with suppress(ValueError):
            read = date.fromisoformat(text)
            if 1900 <= read.year < 3000:
                return read
    raise PydanticCustomError("date_format", "Write a date as 2026-01-20, from 1900 to 2999.")


def _not_in_future(day: date) -> date:
    if day > today():
        raise PydanticCustomError("future_date", "The date is in the future.")
    return day


Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
"""A timestamp in a query: RFC 3339, from 1900 to 2999, which every time zone and the database can hold."""
FullDate = Annotated[date, BeforeValidator(_full_date)]
"""The text of an RFC 3339 full-date, from 1900 to 2999, never a number or a timestamp.

The driver would store the last date that Python knows, 9999-12-31, as infinity.
"""
PastDate = Annotated[FullDate, AfterValidator(_not_in_future)]
"""A date in a body that is not in the future, by the date in Europe/London."""


def start_of(day: date) -> datetime:
    """Return the time at which a day begins in Europe/London, in UTC."""
    return datetime.combine(day, time.min, LONDON).astimezone(UTC)


def end_of(day: date) -> datetime:
    """Return the last microsecond of a day in Europe/London, in UTC."""
    return datetime.combine(day, time.max, LONDON).astimezone(UTC)


def half_up(value: Decimal, places: int) -> Decimal:
    """Round to `places` decimal places, halves away from zero; the result is never a negative zero."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0


class Period(NamedTuple):
    """The days from `first` to `last`, both included."""

    first: date
    last: date


@dataclass(frozen=True, order=True, slots=True)
class AcademicYear:
    """Academic year, 1 September to 31 August, written as two years that follow each other."""

    start: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2025/26`.

        Raises:
            PydanticCustomError: `year_format`, or `year_sequence` where the second part does not follow the first.
        """
        if re.fullmatch(_SPLIT_YEAR, text) is None:
            raise PydanticCustomError("year_format", "Write the year as two that follow each other, such as 2025/26.")
        start, end = int(text[:4]), int(text[5:])
        if end != (start + 1) % 100:
            raise PydanticCustomError(
                "year_sequence", "The second part of the year must follow the first: 2025/26, not 2025/27."
            )
        return cls(start)

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the year that `day` falls in."""
        return cls(day.year if day.month >= _FIRST_MONTH else day.year - 1)

    @property
    def first_day(self) -> date:
        """Return the first day, 1 September."""
        return date(self.start, _FIRST_MONTH, 1)

    @property
    def last_day(self) -> date:
        """Return the last day, 31 August."""
        return date(self.start + 1, _FIRST_MONTH, 1) - timedelta(days=1)

    @property
    def months(self) -> tuple[date, ...]:
        """Return the first days of its twelve months, in order."""
        offsets = range(_FIRST_MONTH - 1, _FIRST_MONTH + 11)
        return tuple(date(self.start + offset // 12, offset % 12 + 1, 1) for offset in offsets)

    def __contains__(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def __str__(self) -> str:
        return f"{self.start}/{(self.start + 1) % 100:02}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Accept and return it as text in a model or a query parameter."""
        return core_schema.no_info_after_validator_function(
            cls.parse, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Document the text, with the rule that a pattern cannot state."""
        return {
            "type": "string",
            "pattern": f"^{_SPLIT_YEAR}$",
            "description": (cls.__doc__ or "").partition("\n")[0],
            "examples": ["2025/26"],
        }
