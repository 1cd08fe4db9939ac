"""Parse the query string of a list against its declaration, and report all errors together."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from convenor.problems import FieldErrors
from convenor.read_model.query_string import read_flag, read_parameters
from convenor.read_model.resource import Resource, Sort

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
CONTROLS = ("cursor", "limit", "sort", "fields", "count")


@dataclass(frozen=True)
class Query:
    """A parsed query: what decides the plan, and the values for it."""

    filters: tuple[str, ...]
    fields: frozenset[str] | None
    sort: str
    descending: bool
    after: bool
    count: bool
    values: Mapping[str, Any]


def parse_query(
    resource: Resource, raw: bytes, searched: Mapping[str, Any] | None = None, errors: FieldErrors | None = None
) -> Query:
    """Parse a raw query string.

    Args:
        resource: what the list is of.
        raw: the query string.
        searched: for a search, the values of filters that came in its body, validated.
        errors: what was wrong with that body, to be reported with the rest.

    Raises:
        Unreadable: it is not percent-encoded UTF-8, or has too many parameters.
        IdentifierInAddress: it holds a pupil's number.
        Invalid: with every error, each pointing at `/query/<parameter>`.
    """
    errors, searched = errors or FieldErrors(), searched or {}
    given = read_parameters(raw, [*resource.parameters, *CONTROLS], errors, resource.lists)
    sort, descending = _sort(resource, given.get("sort"), errors)
    values: dict[str, Any] = {"list.limit": _limit(given.get("limit"), errors)}
    if cursor := given.get("cursor"):
        place = read_cursor(cursor, given.get("sort") or resource.order, resource.sorts[sort], errors)
        values |= {f"list.{name}": value for name, value in place.items()}
    elif cursor is not None:
        errors.add("/query/cursor", "cursor", "Leave `cursor` out for the first page.")
    values |= {f"list.{name}": value for name, value in searched.items()}
    for name in [name for name in resource.parameters if name in given]:
        declared = resource.filters[name]
        value = given[name].split(",") if declared.takes_several else given[name]
        try:
            values[f"list.{name}"] = declared.adapter.validate_python(value)
        except ValidationError as error:
            errors.add(f"/query/{name}", error.errors()[0]["type"], error.errors()[0]["msg"])
    filters = [name for name in resource.filters if name in given or name in searched]
    fields = _fields(resource, given.get("fields"), errors)
    count = read_flag(given, "count", errors)
    errors.raise_if_any()
    return Query(tuple(filters), fields, sort, descending, "list.after.id" in values, count, values)


def parse_fields(resource: Resource, raw: bytes) -> frozenset[str] | None:
    """Parse the query string of one record, which accepts `fields` only.

    Raises:
        Unreadable, Invalid: as `parse_query`.
    """
    errors = FieldErrors()
    given = read_parameters(raw, ["fields"], errors, resource.lists)
    fields = _fields(resource, given.get("fields"), errors)
    errors.raise_if_any()
    return fields


def _limit(given: str | None, errors: FieldErrors) -> int:
    if given is None:
        return DEFAULT_LIMIT
    if given.isascii() and given.isdigit() and len(given) < 6 and 1 <= int(given) <= MAX_LIMIT:
        return int(given)
    errors.add("/query/limit", "limit", f"`limit` is a whole number from 1 to {MAX_LIMIT}.")
    return DEFAULT_LIMIT


def _sort(resource: Resource, given: str | None, errors: FieldErrors) -> tuple[str, bool]:
    order = given if given is not None else resource.order
    name = order.removeprefix("-")
    if name not in resource.sorts:
        choices = ", ".join(f"{choice}, -{choice}" for choice in resource.sorts)
        errors.add("/query/sort", "sort", f"`sort` is one of: {choices}.")
        order = resource.order
        name = order.removeprefix("-")
    return name, order.startswith("-")


def read_cursor(
    given: str, order: str, sort: Sort, errors: FieldErrors, pointer: str = "/query/cursor"
) -> dict[str, Any]:
    """Return the place that a cursor names, as `after.value` and `after.id`; add an error for an invalid cursor."""
    try:
        written, value, identity = json.loads(base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True))
        if written != order or b"\x00" in value.encode():
            raise ValueError
        return {"after.value": sort.adapter.validate_python(value), "after.id": UUID(identity)}
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        errors.add(pointer, "cursor", "Not a cursor of this list in this order. Send the cursor of a page, unchanged.")
        return {}


def _fields(resource: Resource, given: str | None, errors: FieldErrors) -> frozenset[str] | None:
    if given is None:
        return None
    known = [name for name in resource.read.model_fields if name != "redacted"]
    wanted = given.split(",")
    for name in wanted:
        if name not in known:
            errors.add("/query/fields", "unknown_field", f"No such field. Known fields: {', '.join(known)}.")
    return frozenset(wanted)
