"""Leaves: how the scalar types of the field lists stand in GraphQL.

Values pass through untouched. Going out, the database has written them; coming in, the field lists validate them, so
that a malformed date gets the same fault with the same pointer as in REST.
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
        description="A moment, `2026-01-20T09:30:00Z` (RFC 3339, date-time); answers are in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        parse_value=_text,
    ),
    Pence: strawberry.scalar(
        name="Pence", description="An amount of money in whole pence; it may be beyond 32 bits.", parse_value=_pence
    ),
    Json: strawberry.scalar(name="JSON", description="A JSON object, as it stands."),
}


def leaf(annotation: Any, name: str) -> Any:
    """The GraphQL leaf of a field list's annotation, without `None`.

    Raises:
        TypeError: there is none; the field list has a type that this face does not know.
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
        for kinds, found in _LEAVES:
            if issubclass(annotation, kinds):
                return found
    raise TypeError(f"{name}: {annotation} has no place in GraphQL")


_LEAVES: tuple[tuple[tuple[type, ...], Any], ...] = (
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
    """An enumeration whose names are the values on the wire; text, where one of them is no GraphQL name (`C&I`)."""
    if not all(member.value.isidentifier() for member in kind):
        return str
    return choice(kind.__name__, cleandoc(kind.__doc__ or ""), [member.value for member in kind])


def choice(name: str, description: str, values: list[str], value_descriptions: Mapping[str, str] | None = None) -> Any:
    """An enumeration of these values.

    Args:
        name: the type's.
        description: the type's.
        values: each a GraphQL name.
        says: descriptions of values that do not speak for themselves.
    """
    members = {
        value: strawberry.enum_value(value, description=(value_descriptions or {}).get(value) or _spoken(value))
        for value in values
    }
    made: Any = Enum(name, members)  # type: ignore[misc]
    return strawberry.enum(made, name=name, description=description, graphql_name_from="value")


def _spoken(value: str) -> str:
    words = value.replace("_", " ")
    return f"{words[0].upper()}{words[1:]}."


def plain(value: Any) -> Any:
    """A coerced argument with its enumeration members as the words they stand for."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value
