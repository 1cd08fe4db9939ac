"""What is asked of a record and of what hangs on it: the shape of an answer, without a value in it.

A face makes a selection out of its own language; the machine compiles it. The form of an answer (a record, a list, a
connection) is part of the selection. Each part stands under a key of the answer,
which need not be the name of the field. Values of filters, cursors and keys are named by `at`, the place in the answer.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from convenor.read_model.resource import Relation, Resource

By = Literal["id", "natural_key"]
"""How one record is named."""


@dataclass(frozen=True)
class Pick:
    """A field of the read model; with what is wanted of it where it is a record itself, by the model it may be."""

    key: str
    name: str
    within: "tuple[tuple[type[BaseModel], Selection], ...]" = ()


@dataclass(frozen=True)
class Whole:
    """The record as REST shows it: every field, or those wanted, with the list of what is hidden from the caller."""

    wanted: frozenset[str] | None = None


@dataclass(frozen=True)
class Version:
    """The record's version: what REST sends as its ETag."""

    key: str


@dataclass(frozen=True)
class Constant:
    """A word that every answer of this shape holds: the name of a type."""

    key: str
    word: str


@dataclass(frozen=True)
class One:
    """One other record: by its name, or by the relation that leads to it."""

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
    """The place of an edge in its list."""

    key: str


@dataclass(frozen=True)
class Rows:
    """The records of a page, as a list of them."""

    key: str
    selection: "Selection"


@dataclass(frozen=True)
class Edges:
    """The records of a page, each with its place in it: as a connection."""

    key: str
    shows: tuple[Node | Cursor | Constant, ...]


Place = Literal["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"]


@dataclass(frozen=True)
class PageInfo:
    """Where a page lies in its list."""

    key: str
    shows: tuple[tuple[str, Place] | Constant, ...]

    @property
    def places(self) -> frozenset[str]:
        """What is asked."""
        return frozenset(item[1] for item in self.shows if isinstance(item, tuple))


@dataclass(frozen=True)
class Next:
    """The cursor of the next page, where there is one."""

    key: str


@dataclass(frozen=True)
class Total:
    """How many records there are beyond the page."""

    key: str


Shown = Rows | Edges | PageInfo | Next | Total | Constant
"""What is shown of a page."""


@dataclass(frozen=True)
class Page:
    """A page of records, of the whole list or of those that a relation leads to.

    Args:
        first: how many records; None where the statement is given it as the value `limit`.
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


Selection = tuple[Pick | Whole | Version | Constant | One | Page, ...]
"""What is wanted of one record, in the order of the answer."""


def fields_of(model: type[BaseModel], wanted: frozenset[str] | None = None) -> Selection:
    """The fields of a read model under their own names: all of them, or those wanted."""
    return tuple(
        Pick(info.serialization_alias or name, name)
        for name, info in model.model_fields.items()
        if name != "redacted" and (wanted is None or name in wanted)
    )
