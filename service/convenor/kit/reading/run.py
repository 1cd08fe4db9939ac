"""Asks the database what a plan says, for a caller: bytes out, and the ids that the audit needs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from convenor.kit.errors import NotFound
from convenor.kit.ids import Ids
from convenor.kit.principal import Principal
from convenor.kit.reading.compile import Plan, Shape, Under, compile_plan
from convenor.kit.reading.declare import Resource
from convenor.kit.reading.graph import compile_graph
from convenor.kit.reading.query import Query, order_of, write_cursor
from convenor.kit.reading.reach import standing_of, values_of
from convenor.kit.reading.redaction import refuse_search
from convenor.kit.reading.selection import By, One, Page


class Connection(Protocol):
    """The one call that reading needs of asyncpg's pool or connection."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """The first row."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves, and what the audit is told about it."""

    body: bytes
    ids: Sequence[UUID]
    subjects: Sequence[UUID]
    areas: Sequence[UUID]
    """The area of each id, in order, where the caller works in several; else its only one."""
    etag: str | None = None
    next: str | None = None
    """The cursor of the next page."""
    subject_areas: Sequence[UUID] = ()
    """The area of each subject, where the caller works in several."""


async def read_one(
    connection: Connection, principal: Principal, resource: Resource, key: str, fields: frozenset[str] | None = None
) -> Answer:
    """One record by its id or natural key.

    Raises:
        NotFound: when there is none, or none that the caller reaches.
    """
    by, named = name_record(resource, key)
    shape = Shape(resource, "one", standing_of(principal), fields, by=by)
    row = await _fetch(connection, principal, compile_plan(shape), named)
    if row["body"] is None:
        raise NotFound
    return _answer(principal, resource, row, row["body"])


async def read_list(
    connection: Connection,
    principal: Principal,
    resource: Resource,
    query: Query,
    under: tuple[Resource, str, str] | None = None,
) -> Answer:
    """A page of records.

    Args:
        connection: where to ask.
        principal: for whom.
        resource: what.
        query: filters, order and place.
        under: for a list under a record's path: the parent resource, its relation's name and the record's key.

    Raises:
        NotFound: when the parent is absent or not the caller's.
    """
    record: Under | None = None
    named: dict[str, Any] = {}
    if under:
        parent, relation, key = under
        by, named = name_record(parent, key, "parent")
        record = Under(parent, parent.relations[relation], by)
    refuse_search(principal.walls, ((f"/query/{name}", resource.filters[name].wall) for name in query.filters))
    shape = Shape(
        resource,
        "list",
        standing_of(principal),
        query.fields,
        query.filters,
        query.sort,
        query.descending,
        query.after,
        query.count,
        under=record,
    )
    row = await _fetch(connection, principal, compile_plan(shape), {**query.values, **named})
    if record and row["parent"] is None:
        raise NotFound
    following = write_cursor(order_of(query), row["next"]) if row["next"] is not None else None
    total = f',"count":{row["count"]}' if query.count else ""
    body = b'{"data":' + row["body"] + f',"next":{json.dumps(following)}{total}}}'.encode()
    return _answer(principal, resource, row, body, following)


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """What a graph shows: the JSON of each root, and what the audit is told."""

    docs: tuple[bytes, ...]
    """`null` where a record is not there."""
    ids: Sequence[UUID]
    subjects: Sequence[UUID]
    areas: Sequence[UUID]
    subject_areas: Sequence[UUID]


async def read_graph(
    connection: Connection, principal: Principal, roots: tuple[One | Page, ...], values: Mapping[str, Any]
) -> GraphAnswer:
    """Reads a graph in one statement.

    Args:
        connection: where to ask.
        principal: for whom.
        roots: what.
        values: of the parameters that the roots name by their place.
    """
    plan = compile_graph(roots, standing_of(principal))
    row = await _fetch(connection, principal, plan, values)
    docs = tuple(row[f"d{at}"] for at in range(len(roots)))
    ids, areas = _told(row["ids"])
    subjects, subject_areas = _told(row["subjects"])
    return GraphAnswer(docs, ids, subjects, areas or principal.areas, subject_areas)


def _told(text: str) -> tuple[Ids, Sequence[UUID]]:
    """The ids of a graph, each once; and the area of each, where they come with one."""
    each = dict.fromkeys(text.split(",")) if text else {}
    if " " not in text:
        return Ids(",".join(each)), ()
    pairs = [pair.split(" ") for pair in each]
    return Ids(",".join(pair[0] for pair in pairs)), [UUID(pair[1]) for pair in pairs]


async def find(connection: Connection, principal: Principal, resource: Resource, key: str) -> tuple[UUID, UUID] | None:
    """The (area, id) of a record that the caller reaches, or None: how rules look up what a body refers to."""
    by, named = name_record(resource, key)
    shape = Shape(resource, "find", standing_of(principal), by=by)
    row = await _fetch(connection, principal, compile_plan(shape), named)
    return (row["area_id"], row["id"]) if row["id"] is not None else None


def name_record(resource: Resource, key: str, name: str = "record") -> tuple[By, dict[str, Any]]:
    """Reads a record's name from a path or a body: an id, else the natural key."""
    try:
        return "id", {f"{name}.id": UUID(key)}
    except ValueError:
        if resource.natural_key is None or "\x00" in key:
            raise NotFound from None
        return "natural_key", {f"{name}.key": key}


async def _fetch(connection: Connection, principal: Principal, plan: Plan, values: Mapping[str, Any]) -> Any:
    known = values_of(principal, plan.parameters)
    return await connection.fetchrow(
        plan.sql, *[values[name] if name in values else known[name] for name in plan.parameters]
    )


def _answer(principal: Principal, resource: Resource, row: Any, body: bytes, following: str | None = None) -> Answer:
    pairs = principal.pairs(resource.reach_of(principal.role))
    return Answer(
        body,
        Ids(row["ids"] or ""),
        Ids(row["subjects"] or "") if resource.subject else (),
        (pairs[0][0],) if len(pairs) == 1 else (row.get("areas") or ()),
        row.get("etag"),
        following,
        row.get("subject_areas") or (),
    )
