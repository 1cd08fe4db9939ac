"""List the placeholders that the compiler replaces in a declaration's SQL, by the kind of fragment.

Fragments may also name the resource's own joins, as `{alias}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TABLE = re.compile(r"\w+")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_ ]\w*\s*)\}")


@dataclass(frozen=True)
class Bound:
    """A placeholder for a value that every statement can bind: the parameter, its type, and the type it is cast to."""

    parameter: str
    pg_type: str
    read_as: str = ""


BOUND: Mapping[str, Bound] = {
    "keys": Bound("context.keys", "text", "uuid[]"),
    "pseudonym_key": Bound("pseudonym_key", "bytea"),
    "id_key": Bound("id_key", "bytea"),
    "organisation": Bound("organisation", "uuid"),
    "today": Bound("today", "date"),
}
"""The ids that the caller's row access covers, the keys of its pseudonyms and ids, its organisation, and the date."""

ROW = frozenset({"t"})
"""The alias of the resource's row, or of the part's."""
ANYWHERE = ROW | BOUND.keys()
WITH_PARENT = ANYWHERE | {"p"}
"""In a part's source, `{p}` is the part's row. In a relation's condition, `{p}` is the parent's row."""
PART_ORDER = frozenset({"p"})
FILTER = ANYWHERE | {"v", "hash", "area", "found"}
"""The value that a filter compares with, its keyed hash by the filter's name, the area of the rows, and what the value
stands for."""
LOOKUP = frozenset(BOUND) | {"v", "area"}


def placeholders_in(sql: str) -> list[str]:
    """List the distinct placeholders of a fragment. A quantifier of a regular expression, as in `{2}`, is none."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(sql)))


def columns_in(sql: str, row: str) -> list[str]:
    """List the columns that a fragment names of the row `{t}` or `{p}`."""
    return re.findall(rf'\{{{row}\}}\."?(\w+)', sql)


def table_of(source: str) -> str:
    """Return the table that the source of a part begins with; empty where it begins with a sub-select."""
    found = _TABLE.match(source)
    return found[0] if found else ""
