"""Run plans for a caller: return JSON bytes and the ids for the audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from convenor.database.ids import Ids
from convenor.domain_types.codes import composed
from convenor.problems import AmbiguousKey, NotFound
from convenor.read_model.list_query import Query
from convenor.read_model.plan import (
    ParentRecord,
    Plan,
    Shape,
    compile_plan,
    compile_references,
    compile_selection,
)
from convenor.read_model.predicates import HASHED
from convenor.read_model.redaction import refuse_search
from convenor.read_model.resource import Resource
from convenor.read_model.row_access import access_profile_of, values_of
from convenor.read_model.sealed_fields import reveal
from convenor.read_model.selection import By, One, Page
from convenor.security.principal import Principal


class Connection(Protocol):
    """Run one statement; asyncpg's pools and connections do."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return the first row."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a REST read, with what the audit records about it."""

    body: bytes
    ids: Sequence[UUID]
    subjects: Sequence[UUID]
    areas: Sequence[UUID]
    """The area of each id, in order, where the caller works in several areas; else its only area."""
    etag: str | None = None
    next: str | None = None
    """The cursor of the next page."""
    subject_areas: Sequence[UUID] = ()
    """The area of each subject, where the caller works in several areas."""


async def read_one(
    connection: Connection, principal: Principal, resource: Resource, key: str, fields: frozenset[str] | None = None
) -> Answer:
    """Read one record by its id or natural key.

    Raises:
        NotFound: there is no such record, or the caller may not see it.
        AmbiguousKey: records of several of the caller's areas have this natural key.
    """
    by, named = name_record(resource, key)
    shape = Shape(resource, "one", access_profile_of(principal), fields, by=by)
    plan = compile_plan(shape)
    row = await _fetch(connection, principal, plan, named)
    return _answer(principal, plan, row, etag=row["etag"])


async def read_list(
    connection: Connection,
    principal: Principal,
    resource: Resource,
    query: Query,
    under: tuple[Resource, str, str] | None = None,
) -> Answer:
    """Read a page of records.

    Args:
        connection: a connection or pool.
        principal: the caller.
        resource: the kind of record.
        query: filters, order and cursor.
        under: for a list under a record's path: the parent resource, its relation's name and the record's key.

    Raises:
        NotFound: there is no such parent, or the caller may not see it.
        AmbiguousKey: records of several of the caller's areas have the parent's natural key.
    """
    record: ParentRecord | None = None
    named: dict[str, Any] = {}
    if under:
        parent, relation, key = under
        by, named = name_record(parent, key, "parent")
        record = ParentRecord(parent, parent.relations[relation], by)
    refuse_search(principal.clearances, ((f"/{name}", resource.filters[name].sensitivity) for name in query.filters))
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
    plan = compile_plan(shape)
    row = await _fetch(connection, principal, plan, {**query.values, **named})
    return _answer(principal, plan, row, following=row["next"])


@dataclass(frozen=True, slots=True)
class SelectionAnswer:
    """The JSON of each root, with what the audit records about it."""

    docs: tuple[bytes, ...]
    """`null` for a record that is not found."""
    ids: Sequence[UUID]
    subjects: Sequence[UUID]
    areas: Sequence[UUID]
    subject_areas: Sequence[UUID]
    ambiguous: frozenset[str]
    """The places of the natural keys that records of several areas have."""


async def read_selection(
    connection: Connection, principal: Principal, roots: tuple[One | Page, ...], values: Mapping[str, Any]
) -> SelectionAnswer:
    """Read several records or pages, with everything nested in them, in one statement.

    Args:
        connection: a connection or pool.
        principal: the caller.
        roots: the requested records and pages.
        values: the parameters, by the place in the answer that names them.
    """
    plan = compile_selection(roots, access_profile_of(principal))
    row = await _fetch(connection, principal, plan, values)
    docs = tuple(reveal(row[f"d{at}"], plan.sites, principal.sealer) for at in range(len(roots)))
    return SelectionAnswer(docs, *_audited(principal, row), ambiguous=_ambiguous(row))


def _answer(
    principal: Principal, plan: Plan, row: Any, etag: str | None = None, following: str | None = None
) -> Answer:
    """Return the document of a row.

    Raises:
        NotFound: the record, or the parent of the list, was not found.
        AmbiguousKey: records of several areas have its natural key.
    """
    if _ambiguous(row):
        raise AmbiguousKey
    if row["d0"] == b"null":
        raise NotFound
    ids, subjects, areas, subject_areas = _audited(principal, row)
    return Answer(reveal(row["d0"], plan.sites, principal.sealer), ids, subjects, areas, etag, following, subject_areas)


def _audited(principal: Principal, row: Any) -> tuple[Sequence[UUID], Sequence[UUID], Sequence[UUID], Sequence[UUID]]:
    """Return ids, subjects, the area of each id, and the area of each subject."""
    ids, areas = _parse_ids(row["ids"])
    subjects, subject_areas = _parse_ids(row["subjects"])
    return ids, subjects, areas or principal.areas, subject_areas


def _ambiguous(row: Any) -> frozenset[str]:
    """Return the places that `compile_selection` found to be ambiguous."""
    listed: str = row.get("ambiguous", "")
    return frozenset(listed.split(",") if listed else ())


def _parse_ids(text: str) -> tuple[Ids, Sequence[UUID]]:
    """Return the distinct ids of an answer, and the area of each where the text has it."""
    each = dict.fromkeys(text.split(",")) if text else {}
    if " " not in text:
        return Ids(",".join(each)), ()
    pairs = [pair.split(" ") for pair in each]
    known = {area: UUID(area) for _, area in pairs}
    return Ids(",".join(identity for identity, _ in pairs)), [known[area] for _, area in pairs]


async def resolve_reference(
    connection: Connection, principal: Principal, resource: Resource, key: str, area: UUID | None = None
) -> tuple[UUID, UUID] | None:
    """Return the (area, id) of a record that the caller may see, or None. See `resolve_references`."""
    [found] = await resolve_references(connection, principal, resource, [key], area)
    return found


async def resolve_references(
    connection: Connection,
    principal: Principal,
    resource: Resource,
    keys: Sequence[str],
    area: UUID | None = None,
) -> list[tuple[UUID, UUID] | None]:
    """Return the (area, id) of each record that the caller may see, or None. Rules resolve the references of a body so.

    Args:
        connection: a connection or pool.
        principal: the caller.
        resource: the kind of record.
        keys: ids or natural keys.
        area: only records of this area are found, where the rule knows it.

    Raises:
        AmbiguousKey: records of several of these areas have one of the natural keys.
    """
    parsed = [_parse_key(resource, key) for key in keys]
    values: dict[By, list[UUID | str]] = {}
    for each in parsed:
        if each:
            values.setdefault(each[0], []).append(each[1])
    if not values:
        return [None for _ in keys]
    plan = compile_references(resource, access_profile_of(principal), tuple(sorted(values)))
    row = await _fetch(connection, principal, plan, {f"references.{by}": listed for by, listed in values.items()})
    found: dict[str, list[tuple[UUID, UUID]]] = {}
    for key, *record in zip(row["keys"] or (), row["areas"] or (), row["ids"] or (), strict=True):
        if area in (None, record[0]):
            found.setdefault(key, []).append((record[0], record[1]))
    if any(len(records) > 1 for records in found.values()):
        raise AmbiguousKey
    return [found[str(each[1])][0] if each and str(each[1]) in found else None for each in parsed]


def name_record(resource: Resource, key: str, name: str = "record") -> tuple[By, dict[str, Any]]:
    """Read the key of a record from a path: an id, else the natural key.

    Raises:
        NotFound: no record can have this key.
    """
    parsed = _parse_key(resource, key)
    if parsed is None:
        raise NotFound
    by, value = parsed
    return by, {f"{name}.{'id' if by == 'id' else 'key'}": value}


def _parse_key(resource: Resource, key: str) -> tuple[By, UUID | str] | None:
    """Read an id, else a natural key; None if no record can have this key."""
    try:
        return "id", UUID(key)
    except ValueError:
        return None if resource.natural_key is None or "\x00" in key else ("natural_key", composed(key))


async def _fetch(connection: Connection, principal: Principal, plan: Plan, values: Mapping[str, Any]) -> Any:
    known = values_of(principal, plan.parameters)
    for name in plan.hashed:
        of = name.removesuffix(HASHED)
        known[name] = principal.sealer.hash(of.rpartition(".")[2], values[of])
    return await connection.fetchrow(
        plan.sql, *[values[name] if name in values else known[name] for name in plan.parameters]
    )
