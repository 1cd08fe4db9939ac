"""Describe the shape of an answer: the fields of records and of the records nested in them, without values.

REST and GraphQL each make a selection, and `plan` compiles it. The form of an answer (a record, a list, a connection)
is part of the selection. Each item has a key in the answer, which need not be the name of the field. `at`, the place in
the answer, names the values of filters, cursors and keys.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from convenor.read_model.resource import Relation, Resource

By = Literal["id", "natural_key"]
"""How a request identifies a record."""


@dataclass(frozen=True)
class Pick:
    """A field of the read model. For an object, `within` selects its members, by the models that it may be."""

    key: str
    name: str
    within: "tuple[tuple[type[BaseModel], Selection], ...]" = ()


@dataclass(frozen=True)
class FullRecord:
    """The record as REST shows it: all fields, or those wanted, and the list `redacted`."""

    wanted: frozenset[str] | None = None


@dataclass(frozen=True)
class Version:
    """The record's version, which REST sends as its ETag."""

    key: str


@dataclass(frozen=True)
class Constant:
    """A text that every answer of this shape holds: the name of a type."""

    key: str
    text: str


@dataclass(frozen=True)
class One:
    """One record, by its key or by a relation from its parent."""

    key: str
    resource: Resource
    selection: "Selection"
    relation: Relation | None = None
    by: By = "id"
    at: str = ""


@dataclass(frozen=True)
class Node:
    """The record of an edge."""

    key: str
    selection: "Selection"


@dataclass(frozen=True)
class Cursor:
    """The cursor of an edge."""

    key: str


@dataclass(frozen=True)
class Rows:
    """The records of a page, as a list."""

    key: str
    selection: "Selection"


@dataclass(frozen=True)
class Edges:
    """The records of a page as a connection's edges, each with its cursor."""

    key: str
    shows: tuple[Node | Cursor | Constant, ...]


Place = Literal["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"]


@dataclass(frozen=True)
class PageInfo:
    """The place of a page in its list."""

    key: str
    shows: tuple[tuple[str, Place] | Constant, ...]

    @property
    def places(self) -> frozenset[str]:
        """Return the requested fields."""
        return frozenset(item[1] for item in self.shows if isinstance(item, tuple))


@dataclass(frozen=True)
class Next:
    """The cursor of the next page, if there is one."""

    key: str


@dataclass(frozen=True)
class Total:
    """The number of records on all pages."""

    key: str


@dataclass(frozen=True)
class Found:
    """What the value of a filter stands for; null in a list without that filter. `item` selects the members."""

    key: str
    filter: str
    item: Pick


Shown = Rows | Edges | PageInfo | Next | Total | Found | Constant
"""An item of a page."""


@dataclass(frozen=True)
class Page:
    """A page of a resource's records, or of the records that a relation leads to.

    Args:
        first: how many records; None where the limit is a parameter of the statement.
    """

    key: str
    resource: Resource
    shows: tuple[Shown, ...]
    first: int | None
    sort: str
    descending: bool
    filters: tuple[str, ...] = ()
    after: bool = False
    relation: Relation | None = None
    at: str = ""


Selection = tuple[Pick | FullRecord | Version | Constant | One | Page, ...]
"""The items of one record, in the order of the answer."""


def fields_of(model: type[BaseModel], wanted: frozenset[str] | None = None) -> Selection:
    """Select the fields of a read model under their own names: all, or those wanted."""
    return tuple(
        Pick(info.serialization_alias or name, name)
        for name, info in model.model_fields.items()
        if name != "redacted" and (wanted is None or name in wanted)
    )
