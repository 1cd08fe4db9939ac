"""Which rows a caller reaches, as an explicit predicate: the first of the two walls, with row-level security under it.

One area, school or provider is `= $n`, so that the index that leads with it gives the page in order; several are one
ordered, limited lateral branch each, merged.
"""

from dataclasses import dataclass
from typing import Protocol

from convenor.kit.principal import Reach

_COLUMN = {Reach.SCHOOL: "school_id", Reach.PROVIDER: "provider_id"}


class Binds(Protocol):
    """What numbers the parameters of a statement."""

    def bind(self, name: str, cast: str) -> str:
        """The placeholder of a parameter."""
        ...


@dataclass(frozen=True)
class Rows:
    """The rows of one table that a kind of caller reaches."""

    table: str
    of_area: bool
    reach: Reach
    several: bool
    within: str = ""
    """For `Reach.CLUSTER`, the condition that a row is the caller's clusters'."""


def reach_predicate(rows: Rows, binds: Binds) -> list[str]:
    """The conditions on alias `t`. `reach.area(s)` and `reach.key(s)` are the caller's (see `reading.run`)."""
    if not rows.of_area:
        return []
    if rows.reach is Reach.NONE:
        return ["false"]
    column = _COLUMN.get(rows.reach)
    within = [rows.within] if rows.within else []
    if rows.several:
        return ["t.area_id = b.area_id", *([f"t.{column} = b.key"] if column else within)]
    conditions = [f"t.area_id = {binds.bind('reach.area', 'uuid')}"]
    return conditions + ([f"t.{column} = {binds.bind('reach.key', 'uuid')}"] if column else within)


def area_sql(rows: Rows, binds: Binds) -> str:
    """The area that a row of this statement lies in, as a value that does not vary by row: an index can use it."""
    return "b.area_id" if rows.several else binds.bind("reach.area", "uuid")


def rows_within(
    rows: Rows,
    binds: Binds,
    conditions: list[str],
    *,
    columns: str = "t.*",
    order: str = "",
    limit: str = "",
    total: bool = False,
) -> str:
    """A select over the rows of `rows.table t` that the caller reaches and that meet `conditions`."""
    where = " and ".join([*reach_predicate(rows, binds), *conditions]) or "true"
    inner = f'select {columns} from "{rows.table}" t where {where} {order} {limit}'
    if not rows.several or not rows.of_area or rows.reach is Reach.NONE:
        return inner
    branches = f"unnest({binds.bind('reach.areas', 'uuid[]')}, {binds.bind('reach.keys', 'uuid[]')}) as b(area_id, key)"
    if total:
        inner = inner.replace("select count(*)", "select count(*) as n", 1)
        return f"select coalesce(sum(t.n), 0) from {branches} cross join lateral ({inner}) t"
    return f"select t.* from {branches} cross join lateral ({inner}) t {order} {limit}"
