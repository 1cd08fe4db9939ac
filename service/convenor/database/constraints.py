"""What every table of an area shares: its key, and how it points at its neighbours."""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import Field, SQLModel

from convenor.database.ids import uuid7


class AreaRow(SQLModel):
    """A row of one area. `area_id` leads the primary key, so that no row can point into another area."""

    area_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)


def tenant_foreign_key(table: str, column: str, *more: str, onupdate: str | None = None) -> ForeignKeyConstraint:
    """A foreign key to a row of the same area: `(area_id, column, *more)` to `(area_id, id, *more)` of `table`."""
    return ForeignKeyConstraint(
        ["area_id", column, *more],
        [f"{table}.area_id", f"{table}.id", *(f"{table}.{name}" for name in more)],
        onupdate=onupdate,
    )


def area_foreign_key() -> ForeignKeyConstraint:
    """The foreign key of a table that hangs on its area alone."""
    return ForeignKeyConstraint(["area_id"], ["area.area_id"])


def enum_check(column: str, values: type[StrEnum] | Iterable[str]) -> CheckConstraint:
    """Holds a text column to a closed list (NULL passes, as in any CHECK)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f'"{column}" in ({listed})', name=f"{column}_is_known")


def period_check(start: str = "valid_from", end: str = "valid_to") -> CheckConstraint:
    """Dates that hold from `start` up to, not including, `end`."""
    return CheckConstraint(f"{end} is null or {start} is null or {end} > {start}", name=f"{end}_after_{start}")


def valid_on(row: str, day: str) -> str:
    """The SQL of whether half-open dates hold: `row` is an alias, `day` an expression. No start is from ever."""
    begun = f"({row}.valid_from is null or {row}.valid_from <= {day})"
    return f"({begun} and ({row}.valid_to is null or {row}.valid_to > {day}))"
