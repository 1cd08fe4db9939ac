"""Declare a resource once for REST, GraphQL and the documentation.

The read model (pydantic) gives names, types and descriptions. The declaration adds the SQL of computed fields, field
sensitivity, row access, filters, sorts and relations. In its SQL, `{t}` is the alias of the resource's own row and
`{v}` a parameter; `placeholders` lists them all. A declaration is checked when it is made.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from convenor.domain_types.dates import FullDate, Timestamp
from convenor.read_model.checks import check_resource
from convenor.security.principal import FieldSensitivity, Role, RowAccess

Value = TypeVar("Value")
Several = Annotated[list[Value], Field(min_length=1)]
"""Values of a filter: separated by commas, or the parameter repeated. `{v}` is then an array."""


@dataclass(frozen=True)
class Part:
    """An embedded record, or list of records, of another table.

    Args:
        source: the SQL after `from`, with `{p}` as the part's own alias and `{t}` as its parent's.
        order: for a list, the SQL after `order by`.
        sql, sensitivity, open_free_text, parts, variants: as in `Resource`, by the field's name within the part. `{t}`
            is the part.
    """

    source: str
    order: str = ""
    sql: Mapping[str, str] = field(default_factory=dict)
    sensitivity: Mapping[str, FieldSensitivity] = field(default_factory=dict)
    open_free_text: Collection[str] = ()
    parts: Mapping[str, "Part"] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lookup:
    """What a filter's value stands for: rows that are looked up once, and that the page shows beside its records.

    Args:
        name: the member of the page that lists the rows.
        read: the model of one row.
        description: the description in the documentation.
        source: the SQL after `from`, over `{v}` and `{area}`. The filter's own SQL names its rows `{found}`.
        order, sql: as in `Part`, where `{p}` and `{t}` are the row.
    """

    name: str
    read: type[BaseModel]
    description: str
    source: str
    order: str
    sql: Mapping[str, str] = field(default_factory=dict)

    def part(self, found: str) -> Part:
        """Return the rows as a list that the page embeds; `found` is the step that looks them up."""
        return Part(f"{found} {{p}}", self.order, self.sql)


@dataclass(frozen=True)
class Filter:
    """One query parameter of a list; or, if it has a sensitivity, one member of the body of a search.

    Args:
        sql: the predicate, over `{t}`, `{v}` and `{area}` (the area, where a sub-select needs it).
        pg_type: the PostgreSQL type of `{v}`.
        type_: the pydantic type that validates the value; `Several` of it, for the words of a closed list.
        description: the description in the documentation.
        sensitivity: the clearance that a caller needs to search by it. Such a filter identifies a pupil, so its value
            never stands in an address.
        default_sql: the predicate, over `{t}` and `{today}`, of a list without this filter.
        lookup: what the value stands for, where the page shows that.
    """

    sql: str
    pg_type: str
    type_: Any
    description: str
    sensitivity: FieldSensitivity | None = None
    default_sql: str = ""
    lookup: Lookup | None = None

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Return the validator of a value."""
        return TypeAdapter(self.type_)

    @cached_property
    def takes_several(self) -> bool:
        """Check whether the value is a list."""
        return get_origin(self.type_) is Annotated and get_origin(get_args(self.type_)[0]) is list


_SORTABLE: Mapping[str, TypeAdapter[Any]] = {
    "timestamptz": TypeAdapter(Timestamp),
    "text": TypeAdapter(str),
    "date": TypeAdapter(FullDate),
    "int": TypeAdapter(Annotated[int, Field(ge=-(2**31), lt=2**31)]),
    "uuid": TypeAdapter(UUID),
}


@dataclass(frozen=True)
class Sort:
    """One order of a list: a column that is never null, and its PostgreSQL type. The id breaks ties.

    Raises:
        ValueError: cursors cannot encode this type.
    """

    column: str
    pg_type: str

    def __post_init__(self) -> None:
        """Refuse a type that cursors cannot encode."""
        if self.pg_type not in _SORTABLE:
            raise ValueError(f"Lists cannot be sorted by {self.pg_type}. Known types: {', '.join(_SORTABLE)}.")

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """Return the validator of a cursor's value in this order."""
        return _SORTABLE[self.pg_type]


@dataclass(frozen=True)
class DefaultFilter:
    """A predicate of a role's list, unless the list filters by `unless`.

    `{keys}` in `sql` are the ids of the caller's schools or providers.
    """

    sql: str
    unless: str


@dataclass(frozen=True)
class Relation:
    """A relation from a row of this resource to rows of `target`.

    Args:
        target: the other resource's name.
        on: columns of this resource by the target's columns that equal them.
        where: a further condition, over `{t}` (the target's row) and `{p}` (this resource's).
        many: False where the relation leads to at most one row.
    """

    target: str
    on: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    many: bool = True

    def __hash__(self) -> int:
        return hash((self.target, self.where, tuple(self.on.items())))


OPEN_TO_AREA: Mapping[Role, RowAccess] = dict.fromkeys(Role, RowAccess.AREA)
"""Every role reads the clusters, schools, providers and services of its area."""


@dataclass(frozen=True)
class Resource:
    """One kind of record that clients can read.

    Args:
        name: plural, as in the path; `singular` names one record to people and in the audit.
        read: the model of one record.
        row_access: the row access of each role; a role that is left out reads no rows.
        within_clusters: for `RowAccess.CLUSTER`, the condition that a row belongs to the clusters in `{keys}`.
        natural_key: a column that identifies a record as well as its id.
        shared_key: True where several records of an area can have one natural key; it names a record if it is alone.
        joins: joins by alias, each used only where a requested field names it as `{alias}`.
        id_sql: the record's id where it is not the column `id`.
        sql: the SQL of fields that are not columns, by dotted path; JSON for a nested field.
        parts: embedded records, by dotted path.
        variants: for a field that is one of several models, the SQL of its discriminator.
        sensitivity: the clearance that a field needs, by dotted path.
        open_free_text: fields of free text that everybody may read, by dotted path, because they are about no child.
        subject: the SQL of the id of the statement about the pupil of a record, for the audit.
        subjects: the select of the ids of the statements about the pupils of a record, where there are several.
        etag: the column that holds the record's version.
        default_filters: by role, the predicate of a list that does not filter otherwise.
        of_area: False for the few tables that belong to no area (pathways).
        view: True where `table` is a view, whose columns are not checked at the start.

    Raises:
        ValueError: it names an unknown field, order, filter or placeholder, or leaves open who may read a free text.
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
    shared_key: bool = False
    joins: Mapping[str, str] = field(default_factory=dict)
    id_sql: str = "{t}.id"
    sql: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    sensitivity: Mapping[str, FieldSensitivity] = field(default_factory=dict)
    open_free_text: Collection[str] = ()
    relations: Mapping[str, Relation] = field(default_factory=dict)
    subject: str | None = None
    subjects: str | None = None
    etag: str | None = None
    default_filters: Mapping[Role, DefaultFilter] = field(default_factory=dict)
    of_area: bool = True
    view: bool = False

    def __post_init__(self) -> None:
        """Refuse an inconsistent declaration."""
        check_resource(self)

    @property
    def read_scope(self) -> str:
        """Return the scope that reading needs."""
        return self.scope or f"{self.name}:read"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the filters that may stand in an address."""
        return tuple(name for name, each in self.filters.items() if each.sensitivity is None)

    @cached_property
    def lists(self) -> frozenset[str]:
        """Return the parameters that take several values."""
        return frozenset(name for name, each in self.filters.items() if each.takes_several) | {"fields"}

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Return the filters that identify a pupil, which a search takes in its body."""
        return tuple(name for name, each in self.filters.items() if each.sensitivity is not None)

    @property
    def lookups(self) -> Mapping[str, Lookup]:
        """Return what the values of filters stand for, by the filter's name."""
        return {name: each.lookup for name, each in self.filters.items() if each.lookup}

    def row_access_of(self, role: Role) -> RowAccess:
        """Return the row access of a role."""
        return self.row_access.get(role, RowAccess.NONE)

    def identity(self, alias: str) -> str:
        """Return the SQL of a record's id."""
        return self.id_sql.replace("{t}", alias)

    def __hash__(self) -> int:
        return hash(self.name)
