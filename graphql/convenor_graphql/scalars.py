"""Map the scalar types of the field lists to GraphQL.

Values pass through unchanged. The database writes the output, and the field lists validate the input, so that a
malformed date gets the same error with the same pointer as over REST.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from inspect import cleandoc
from typing import Any, Literal, NewType, get_origin
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

Date = NewType("Date", str)
DateTime = NewType("DateTime", str)
Pence = NewType("Pence", int)
Json = NewType("Json", object)

LARGEST_PENCE = 2**53 - 1


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError("Expected a string.")
    return value


def _pence(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_PENCE:
        raise GraphQLError("Expected a whole number of pence.")
    return value


SCALARS: Mapping[object, ScalarDefinition] = {
    Date: strawberry.scalar(
        name="Date",
        description="A date, `2026-01-20` (RFC 3339, full-date).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        parse_value=_text,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A timestamp, `2026-01-20T09:30:00Z` (RFC 3339, date-time). Answers are in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        parse_value=_text,
    ),
    Pence: strawberry.scalar(
        name="Pence", description="An amount of money in whole pence, which may exceed 32 bits.", parse_value=_pence
    ),
    Json: strawberry.scalar(name="JSON", description="A JSON object."),
}


def scalar_type(annotation: Any, name: str) -> Any:
    """Return the GraphQL type of a scalar annotation, without `None`.

    Raises:
        TypeError: the annotation has no GraphQL type.
    """
    if name.endswith("_pence"):
        return Pence
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) is dict:
        return Json
    if isinstance(annotation, type):
        if issubclass(annotation, StrEnum):
            return enumeration(annotation)
        for kinds, found in _SCALAR_TYPES:
            if issubclass(annotation, kinds):
                return found
    raise TypeError(f"{name}: {annotation} has no GraphQL type")


_SCALAR_TYPES: tuple[tuple[tuple[type, ...], Any], ...] = (
    ((bool,), bool),
    ((int,), int),
    ((float, Decimal), float),
    ((UUID,), strawberry.ID),
    ((datetime,), DateTime),
    ((date,), Date),
    ((str,), str),
)


@cache
def enumeration(kind: type[StrEnum]) -> Any:
    """Return a GraphQL enum with the enum's values as names; text if a value is no GraphQL name (`C&I`)."""
    if not all(member.value.isidentifier() for member in kind):
        return str
    return choice(kind.__name__, cleandoc(kind.__doc__ or ""), [member.value for member in kind])


def choice(name: str, description: str, values: list[str], value_descriptions: Mapping[str, str] | None = None) -> Any:
    """Make a GraphQL enum.

    Args:
        name: the type's name.
        description: the type's description.
        values: GraphQL names.
        value_descriptions: descriptions of values; by default their names as words.
    """
    members = {
        value: strawberry.enum_value(value, description=(value_descriptions or {}).get(value) or _as_words(value))
        for value in values
    }
    made: Any = Enum(name, members)  # type: ignore[misc]
    return strawberry.enum(made, name=name, description=description, graphql_name_from="value")


def _as_words(value: str) -> str:
    words = value.replace("_", " ")
    return f"{words[0].upper()}{words[1:]}."


def plain(value: Any) -> Any:
    """Replace the enum members in a coerced argument by their values."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value
