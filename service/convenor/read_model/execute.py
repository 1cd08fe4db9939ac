"""Asks the database what a plan says, for a caller: bytes out, and the ids that the audit needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from convenor.database.ids import Ids
from convenor.problems import NotFound
from convenor.read_model.list_query import Query
from convenor.read_model.plan import Plan, Shape, Under, compile_graph, compile_plan
from convenor.read_model.redaction import refuse_search
from convenor.read_model.resource import Resource
from convenor.read_model.row_access import access_profile_of, values_of
from convenor.read_model.selection import By, One, Page
from convenor.security.principal import Principal


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
    shape = Shape(resource, "one", access_profile_of(principal), fields, by=by)
    row = await _fetch(connection, principal, compile_plan(shape), named)
    return _answer(principal, row, etag=row["etag"])


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
    refuse_search(
        principal.clearances, ((f"/query/{name}", resource.filters[name].sensitivity) for name in query.filters)
    )
    shape = Shape(
        resource,
        "list",
        access_profile_of(principal),
        query.fields,
        query.filters,
        query.sort,
        query.descending,
        query.after,
        query.count,
        under=record,
    )
    row = await _fetch(connection, principal, compile_plan(shape), {**query.values, **named})
    return _answer(principal, row, following=row["next"])


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
    plan = compile_graph(roots, access_profile_of(principal))
    row = await _fetch(connection, principal, plan, values)
    docs = tuple(row[f"d{at}"] for at in range(len(roots)))
    return GraphAnswer(docs, *_audited(principal, row))


def _answer(principal: Principal, row: Any, etag: str | None = None, following: str | None = None) -> Answer:
    """The one document of a row.

    Raises:
        NotFound: when the record is not there, or that under which the list stands.
    """
    if row["d0"] == b"null":
        raise NotFound
    ids, subjects, areas, subject_areas = _audited(principal, row)
    return Answer(row["d0"], ids, subjects, areas, etag, following, subject_areas)


def _audited(principal: Principal, row: Any) -> tuple[Sequence[UUID], Sequence[UUID], Sequence[UUID], Sequence[UUID]]:
    """What the audit is told: ids, subjects, and the areas of each."""
    ids, areas = _told(row["ids"])
    subjects, subject_areas = _told(row["subjects"])
    return ids, subjects, areas or principal.areas, subject_areas


def _told(text: str) -> tuple[Ids, Sequence[UUID]]:
    """The ids of an answer, each once; and the area of each, where they come with one."""
    each = dict.fromkeys(text.split(",")) if text else {}
    if " " not in text:
        return Ids(",".join(each)), ()
    pairs = [pair.split(" ") for pair in each]
    known = {area: UUID(area) for _, area in pairs}
    return Ids(",".join(identity for identity, _ in pairs)), [known[area] for _, area in pairs]


async def resolve_reference(
    connection: Connection, principal: Principal, resource: Resource, key: str
) -> tuple[UUID, UUID] | None:
    """The (area, id) of a record that the caller reaches, or None: how rules look up what a body refers to."""
    by, named = name_record(resource, key)
    shape = Shape(resource, "find", access_profile_of(principal), by=by)
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
