"""What a resource is made of, declared once for REST, GraphQL and the documentation.

The read model (pydantic) gives names, types and descriptions; a declaration adds what a model cannot say: where a
field comes from when it is not the column of its name, which wall it stands behind, who reaches which rows, filters,
sorts and relations. In SQL texts `{t}` is the alias of the resource's own row and `{v}` a parameter; `placeholders`
lists them all. What a declaration names is checked when it is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from convenor.domain_types.dates import Day, Timestamp
from convenor.read_model.checks import check_resource
from convenor.security.principal import FieldSensitivity, Role, RowAccess


@dataclass(frozen=True)
class Part:
    """An embedded record of another table: `read` filled from the row (or rows) that `source` finds.

    Args:
        source: what follows `from`, with `{p}` as the part's own alias and `{t}` as its parent's.
        order: for a list, what follows `order by`.
        sql, walls, parts, variants: as in `Resource`, by the field's name within the part; `{t}` is then the part.
    """

    source: str
    order: str = ""
    sql: Mapping[str, str] = field(default_factory=dict)
    sensitivity: Mapping[str, FieldSensitivity] = field(default_factory=dict)
    parts: Mapping[str, "Part"] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """One query parameter of a list.

    Args:
        sql: the predicate, over `{t}`, `{v}` and `{area}` (the area, where a sub-select needs it).
        cast: the PostgreSQL type of `{v}`.
        takes: what the text is validated as (a pydantic type).
        says: the description for the documentation.
        wall: what a caller must pass to search by it.
        otherwise: the predicate, over `{t}` and `{today}`, of a list that leaves it out.
    """

    sql: str
    pg_type: str
    type_: Any
    description: str
    sensitivity: FieldSensitivity | None = None
    otherwise: str = ""

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of one value."""
        return TypeAdapter(self.type_)


_PLACES: Mapping[str, TypeAdapter[Any]] = {
    "timestamptz": TypeAdapter(Timestamp),
    "text": TypeAdapter(str),
    "date": TypeAdapter(Day),
    "int": TypeAdapter(Annotated[int, Field(ge=-(2**31), lt=2**31)]),
    "uuid": TypeAdapter(UUID),
}


@dataclass(frozen=True)
class Sort:
    """One order of a list: a column that is never null, and its PostgreSQL type. The id breaks ties.

    Raises:
        ValueError: there is no reading a cursor's place in a column of this type.
    """

    column: str
    pg_type: str

    def __post_init__(self) -> None:
        """Refuses a type that cursors do not know."""
        if self.pg_type not in _PLACES:
            raise ValueError(f"Nothing is sorted by {self.pg_type}; there are: {', '.join(_PLACES)}.")

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """The validator of a place in this order, as a cursor holds it: what the database can hold."""
        return _PLACES[self.pg_type]


@dataclass(frozen=True)
class DefaultFilter:
    """A predicate that a role's list carries unless it filters by `unless`: what is its own comes without asking.

    `{keys}` in `sql` are the ids of the schools or providers that the caller stands for.
    """

    sql: str
    unless: str


@dataclass(frozen=True)
class Relation:
    """How rows of `target` hang on a row of this resource.

    Args:
        target: the other resource's name.
        on: target's column to this one's.
        where: what else holds, over `{t}` (the target's row) and `{p}` (this resource's).
        many: False where at most one row hangs on it.
    """

    target: str
    on: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    many: bool = True

    def __hash__(self) -> int:
        return hash((self.target, self.where, tuple(self.on.items())))


OPEN_TO_AREA: Mapping[Role, RowAccess] = dict.fromkeys(Role, RowAccess.AREA)
"""Clusters, schools, providers and services of one's area: every role of the area reads them."""


@dataclass(frozen=True)
class Resource:
    """One kind of record that can be read.

    Args:
        name: plural, as in the path; `singular` names one record to people and in the audit.
        read: the documented shape of one record.
        reach: the rows each role reaches; a role left out reaches none.
        within_clusters: for `Reach.CLUSTER`, whether a row is one of the clusters in `{keys}`.
        natural_key: a column that names a record besides its id.
        joins: by alias, what follows the row in the read's `from` where a field that is shown names it, as `{alias}`.
        id_sql: the record's id where it is not the column `id`.
        sql: fields that are not the column of their name, by dotted path; JSON for a nested field.
        parts: embedded records, by dotted path.
        variants: for a field that is one of several models, the SQL of its discriminator.
        walls: the wall a field stands behind, by dotted path.
        subject: the SQL of the id of the pupil whom a record is about, for the audit.
        etag: the column that holds the record's version.
        own: by role, what its list holds when it does not ask for more.
        of_area: False for the few tables that belong to no area (pathways).

    Raises:
        ValueError: it names a field, an order, a filter or a placeholder that is not there.
    """

    name: str
    singular: str
    table: str
    read: type[BaseModel]
    row_access: Mapping[Role, RowAccess]
    order: str
    sorts: Mapping[str, Sort]
    scope: str = ""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    within_clusters: str = "false"
    natural_key: str | None = None
    joins: Mapping[str, str] = field(default_factory=dict)
    id_sql: str = "{t}.id"
    sql: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    sensitivity: Mapping[str, FieldSensitivity] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    subject: str | None = None
    etag: str | None = None
    default_filters: Mapping[Role, DefaultFilter] = field(default_factory=dict)
    of_area: bool = True

    def __post_init__(self) -> None:
        """Refuse a declaration that the compiler would not follow."""
        check_resource(self)

    @property
    def read_scope(self) -> str:
        """The scope that reading asks for."""
        return self.scope or f"{self.name}:read"

    def row_access_of(self, role: Role) -> RowAccess:
        """How far a role reaches into it."""
        return self.row_access.get(role, RowAccess.NONE)

    def identity(self, alias: str) -> str:
        """The SQL of a record's id."""
        return self.id_sql.replace("{t}", alias)

    def __hash__(self) -> int:
        return hash(self.name)
