"""Write row access as an explicit predicate. PostgreSQL's row-level security checks the same rule again.

One area, school or provider becomes `= $n`, so that an index that leads with it returns the page in order. Several
become one ordered, limited lateral branch each, which are merged.
"""

from dataclasses import dataclass
from typing import Any

from convenor.domain_types.dates import today
from convenor.read_model.columns import Binder
from convenor.security.principal import OWN_COLUMN, FieldSensitivity, Principal, Role, RowAccess


@dataclass(frozen=True)
class AccessProfile:
    """Everything about a caller that decides a plan. It identifies nobody."""

    role: Role
    clearances: frozenset[FieldSensitivity]
    plural_access: frozenset[RowAccess]
    """See `Principal.plural_access`."""


def access_profile_of(principal: Principal) -> AccessProfile:
    """Return the access profile of a caller."""
    return AccessProfile(principal.role, principal.clearances, principal.plural_access)


def values_of(principal: Principal, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a plan's parameters that come from the caller, and today's date."""
    areas, row_access, keys = principal.context
    known: dict[str, Any] = {
        "context.areas": areas,
        "context.row_access": row_access,
        "context.keys": keys,
        "pseudonym_key": principal.pseudonym_key,
        "id_key": principal.id_key,
        "organisation": principal.organisation_id,
    }
    if "today" in names:
        known["today"] = today()
    for kind in {RowAccess(name.split(".")[1]) for name in names if name.startswith("access.")}:
        pairs = principal.pairs(kind)
        known[f"access.{kind}.areas"] = [area for area, _ in pairs]
        known[f"access.{kind}.keys"] = [key for _, key in pairs]
        if len(pairs) == 1:
            known[f"access.{kind}.area"], known[f"access.{kind}.key"] = pairs[0]
    return known


@dataclass(frozen=True)
class AccessibleRows:
    """The rows of one table that a kind of caller may see."""

    table: str
    of_area: bool
    row_access: RowAccess
    plural_access: bool
    within: str = ""
    """For `RowAccess.CLUSTER`, the condition that a row belongs to the caller's clusters."""

    @property
    def has_branches(self) -> bool:
        """Check whether the rows are read in one branch for each (area, key) pair."""
        return self.plural_access and self.of_area and self.row_access is not RowAccess.NONE

    @property
    def kind(self) -> RowAccess:
        """Return the kind of the (area, key) pairs that bound the rows."""
        return self.row_access if self.row_access in OWN_COLUMN else RowAccess.AREA

    def branches(self, binds: Binder) -> str:
        """Write the (area, key) pairs, one for each branch; empty where one branch has all rows."""
        if not self.has_branches:
            return ""
        areas, keys = (binds.bind(f"access.{self.kind}.{part}", "uuid[]") for part in ("areas", "keys"))
        return f"unnest({areas}, {keys}) as b(area_id, key)"


def row_access_predicate(rows: AccessibleRows, binds: Binder) -> list[str]:
    """Write the conditions on alias `t`; `values_of` gives their parameters."""
    if not rows.of_area or rows.row_access is RowAccess.INSTALLATION:
        return []
    if rows.row_access is RowAccess.NONE:
        return ["false"]
    column = OWN_COLUMN.get(rows.row_access)
    within = [rows.within] if rows.within else []
    if rows.plural_access:
        return ["t.area_id = b.area_id", *([f"t.{column} = b.key"] if column else within)]
    conditions = [f"t.area_id = {binds.bind(f'access.{rows.kind}.area', 'uuid')}"]
    return conditions + ([f"t.{column} = {binds.bind(f'access.{rows.kind}.key', 'uuid')}"] if column else within)


def area_expression(rows: AccessibleRows, binds: Binder) -> str:
    """Write the area of the rows as a value that is the same for each of them, so that an index can use it."""
    if rows.row_access is RowAccess.NONE:
        return "null::uuid"
    return "b.area_id" if rows.plural_access else binds.bind(f"access.{rows.kind}.area", "uuid")


def accessible_rows(
    rows: AccessibleRows,
    binds: Binder,
    conditions: list[str],
    *,
    order: str = "",
    limit: str = "",
) -> str:
    """Write a select over the rows of `rows.table t` that the caller may see and that meet `conditions`."""
    inner = f"select t.* {_source(rows, binds, conditions)} {order} {limit}"
    branches = rows.branches(binds)
    return f"select t.* from {branches} cross join lateral ({inner}) t {order} {limit}" if branches else inner


def accessible_count(rows: AccessibleRows, binds: Binder, conditions: list[str]) -> str:
    """Write a select that counts the rows of `accessible_rows`."""
    inner = f"select count(*) as n {_source(rows, binds, conditions)}"
    branches = rows.branches(binds)
    return f"select coalesce(sum(t.n), 0) from {branches} cross join lateral ({inner}) t" if branches else inner


def _source(rows: AccessibleRows, binds: Binder, conditions: list[str]) -> str:
    where = " and ".join([*row_access_predicate(rows, binds), *conditions]) or "true"
    return f'from "{rows.table}" t where {where}'
