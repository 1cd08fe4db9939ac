"""The key that every table of an area has, and the constraints that tables share."""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from convenor.database.ids import uuid7


class AreaRow(SQLModel):
    """A row of one area. `area_id` leads the primary key, so that no row can refer to another area."""

    area_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)


def tenant_foreign_key(table: str, column: str, *more: str, onupdate: str | None = None) -> ForeignKeyConstraint:
    """Build a foreign key to a row of the same area: `(area_id, column, *more)` to `(area_id, id, *more)`."""
    return ForeignKeyConstraint(
        ["area_id", column, *more],
        [f"{table}.area_id", f"{table}.id", *(f"{table}.{name}" for name in more)],
        onupdate=onupdate,
    )


def area_foreign_key() -> ForeignKeyConstraint:
    """Build the foreign key of a table to its area."""
    return ForeignKeyConstraint(["area_id"], ["area.area_id"])


def enum_check(column: str, values: type[StrEnum] | Iterable[str]) -> CheckConstraint:
    """Build a CHECK that restricts a text column to a closed list. NULL passes, as in any CHECK."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f'"{column}" in ({listed})', name=f"{column}_is_known")


def period_check(start: str = "valid_from", end: str = "valid_to") -> CheckConstraint:
    """Build a CHECK of a period that begins on `start` and ends before `end`."""
    return CheckConstraint(f"{end} is null or {start} is null or {end} > {start}", name=f"{end}_after_{start}")


def valid_on(row: str, day: str) -> str:
    """Write the SQL that tells whether a row with `valid_from` and `valid_to` holds on a day.

    Args:
        row: the alias of the row. A null `valid_from` has no beginning, a null `valid_to` no end.
        day: an SQL expression.
    """
    begun = f"({row}.valid_from is null or {row}.valid_from <= {day})"
    return f"({begun} and ({row}.valid_to is null or {row}.valid_to > {day}))"
