"""Which rows a caller reaches, as an explicit predicate: the first of the two walls, with row-level security under it.

One area, school or provider is `= $n`, so that the index that leads with it gives the page in order; several are one
ordered, limited lateral branch each, merged.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from convenor.domain_types.dates import today
from convenor.security.principal import FieldSensitivity, Principal, Role, RowAccess

_COLUMN = {RowAccess.SCHOOL: "school_id", RowAccess.PROVIDER: "provider_id"}


class ParameterBinder(Protocol):
    """What numbers the parameters of a statement."""

    def bind(self, name: str, pg_type: str) -> str:
        """The placeholder of a parameter."""
        ...


@dataclass(frozen=True)
class AccessProfile:
    """Everything about a caller that decides a plan: none of it names anybody."""

    role: Role
    clearances: frozenset[FieldSensitivity]
    several: frozenset[RowAccess]
    """As `Principal.several`."""


def access_profile_of(principal: Principal) -> AccessProfile:
    """The standing of a caller."""
    return AccessProfile(principal.role, principal.clearances, principal.several)


def values_of(principal: Principal, names: tuple[str, ...]) -> dict[str, Any]:
    """The caller's own values of a plan's parameters: context, reach, pseudonym key; and today."""
    areas, row_access, keys = principal.context
    known: dict[str, Any] = {
        "context.areas": areas,
        "context.reach": row_access,
        "context.keys": keys,
        "pseudonym_key": principal.pseudonym_key,
    }
    if "today" in names:
        known["today"] = today()
    for kind in {RowAccess(name.split(".")[1]) for name in names if name.startswith("reach.")}:
        pairs = principal.pairs(kind)
        known[f"reach.{kind}.areas"] = [area for area, _ in pairs]
        known[f"reach.{kind}.keys"] = [key for _, key in pairs]
        if len(pairs) == 1:
            known[f"reach.{kind}.area"], known[f"reach.{kind}.key"] = pairs[0]
    return known


@dataclass(frozen=True)
class Rows:
    """The rows of one table that a kind of caller reaches."""

    table: str
    of_area: bool
    row_access: RowAccess
    several: bool
    within: str = ""
    """For `Reach.CLUSTER`, the condition that a row is the caller's clusters'."""

    @property
    def kind(self) -> RowAccess:
        """Whose (area, key) pairs bound them."""
        return self.row_access if self.row_access in _COLUMN else RowAccess.AREA


def row_access_predicate(rows: Rows, binds: ParameterBinder) -> list[str]:
    """The conditions on alias `t`, with the parameters that `values_of` knows."""
    if not rows.of_area:
        return []
    if rows.row_access is RowAccess.NONE:
        return ["false"]
    column = _COLUMN.get(rows.row_access)
    within = [rows.within] if rows.within else []
    if rows.several:
        return ["t.area_id = b.area_id", *([f"t.{column} = b.key"] if column else within)]
    conditions = [f"t.area_id = {binds.bind(f'reach.{rows.kind}.area', 'uuid')}"]
    return conditions + ([f"t.{column} = {binds.bind(f'reach.{rows.kind}.key', 'uuid')}"] if column else within)


def area_sql(rows: Rows, binds: ParameterBinder) -> str:
    """The area that a row of this statement lies in, as a value that does not vary by row: an index can use it."""
    if rows.row_access is RowAccess.NONE:
        return "null::uuid"
    return "b.area_id" if rows.several else binds.bind(f"reach.{rows.kind}.area", "uuid")


def accessible_rows(
    rows: Rows,
    binds: ParameterBinder,
    conditions: list[str],
    *,
    columns: str = "t.*",
    order: str = "",
    limit: str = "",
    total: bool = False,
) -> str:
    """A select over the rows of `rows.table t` that the caller reaches and that meet `conditions`."""
    where = " and ".join([*row_access_predicate(rows, binds), *conditions]) or "true"
    inner = f'select {columns} from "{rows.table}" t where {where} {order} {limit}'
    if not rows.several or not rows.of_area or rows.row_access is RowAccess.NONE:
        return inner
    areas, keys = (binds.bind(f"reach.{rows.kind}.{part}", "uuid[]") for part in ("areas", "keys"))
    branches = f"unnest({areas}, {keys}) as b(area_id, key)"
    if total:
        inner = inner.replace("select count(*)", "select count(*) as n", 1)
        return f"select coalesce(sum(t.n), 0) from {branches} cross join lateral ({inner}) t"
    return f"select t.* from {branches} cross join lateral ({inner}) t {order} {limit}"
