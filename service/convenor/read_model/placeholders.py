"""List the placeholders of a declaration's SQL: what the compiler fills in, and in which fragment.

Fragments may also name the resource's own joins, as `{alias}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{([A-Za-z_ ]\w*\s*)\}")


@dataclass(frozen=True)
class Bound:
    """A placeholder for a value that every statement can bind: the parameter, its type, and the type that is read."""

    parameter: str
    pg_type: str
    read_as: str = ""


BOUND: Mapping[str, Bound] = {
    "keys": Bound("context.keys", "text", "uuid[]"),
    "pseudonym_key": Bound("pseudonym_key", "bytea"),
    "today": Bound("today", "date"),
}
"""The ids that the caller stands for, the key of its pseudonyms, and the day."""

ROW = frozenset({"t"})
"""The alias of the resource's row, or of the part's."""
ANYWHERE = ROW | BOUND.keys()
BESIDE = ANYWHERE | {"p"}
"""In a part's source `{p}` is the part; in a relation's condition it is the row that the relation leads from."""
PART_ORDER = frozenset({"p"})
FILTER = ANYWHERE | {"v", "area"}
"""The value that a filter compares with, and the area of the rows."""


def placeholders_in(sql: str) -> list[str]:
    """List the placeholders that a fragment names, each once. A repetition of a regular expression is none."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(sql)))
