"""Define published numbers: a value and a status, never a magic number."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

LARGEST_SUPPRESSED = 4
"""Counts from 1 to this one are suppressed below the level of a local authority, as they could point to a child."""

_Number = Annotated[
    Decimal,
    # A JSON number, because spreadsheets would read a string as text.
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number"}),
]


class Status(StrEnum):
    """Whether a figure is known and shown, and if not, why.

    `ok`: the value is as given, a true zero among them. `c`: suppressed, for it could point to a child. `z`: not
    applicable. `x`: not available. `low`: rounds to zero, but is not zero.

    Source: GSS, Symbols in tables: definitions and help.
    """

    OK = "ok"
    SUPPRESSED = "c"
    NOT_APPLICABLE = "z"
    NOT_AVAILABLE = "x"
    LOW = "low"


class Figure(BaseModel):
    """A published number with its status. There is a value exactly where the status is `ok` or `low`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: int | _Number | None = Field(
        description="The number; 0 where the status is `low`; null where it is `c`, `z` or `x`.", examples=[12]
    )
    status: Status = Field(
        description="`ok`, `c` suppressed, `z` not applicable, `x` not available, `low` rounds to zero but is not.",
        examples=["ok"],
    )

    @model_validator(mode="after")
    def _value_agrees_with_status(self) -> Self:
        if (self.value is None) == (self.status in (Status.OK, Status.LOW)):
            raise ValueError("A figure has a value exactly where its status is ok or low.")
        if self.status is Status.LOW and self.value != 0:
            raise ValueError("A figure with status low has the value 0, to which it rounds.")
        return self

    @classmethod
    def of(cls, value: int | Decimal) -> Self:
        """Return a figure with its value unchanged."""
        return cls(value=value, status=Status.OK)

    @classmethod
    def without_value(cls, status: Status) -> Self:
        """Return a figure that shows only why there is no number: `c`, `z` or `x`."""
        return cls(value=None, status=status)
