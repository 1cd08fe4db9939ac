"""Write the predicates and the order of a select over alias `t`, alike for REST and GraphQL.

They select a record by its key, join rows to a parent, filter a list and continue it after a cursor. Row access is a
predicate of its own, in `row_access`.
"""

from collections.abc import Mapping

from convenor.read_model.columns import Binder
from convenor.read_model.resource import Filter, Relation, Resource
from convenor.read_model.row_access import AccessibleRows, AccessProfile, area_expression
from convenor.read_model.selection import By
from convenor.security.principal import RowAccess

Parent = tuple[Resource, str]
"""The parent's resource, and the alias of its row."""


HASHED = "#"
"""Ends the name of a parameter that is the keyed hash of another's value."""

MAX_AUDITED_TOTAL = 200
"""How many records of a counted list about one pupil are audited: more than any pupil has."""


def searches_one_pupil(resource: Resource, filters: tuple[str, ...]) -> bool:
    """Check whether a list is filtered by a sensitive field, so that even its length is about one pupil."""
    return any(resource.filters[name].sensitivity for name in filters)


class Predicates:
    """Write the conditions of one statement. `at`, the place in the answer, names their parameters."""

    def __init__(self, profile: AccessProfile, binder: Binder) -> None:
        self.profile, self.binder = profile, binder

    def rows(self, resource: Resource) -> AccessibleRows:
        """Return the rows of a resource that the caller may see."""
        row_access = resource.row_access_of(self.profile.role)
        within = self.binder.fill(resource.within_clusters, "t") if row_access is RowAccess.CLUSTER else ""
        return AccessibleRows(
            resource.table, resource.of_area, row_access, row_access in self.profile.plural_access, within
        )

    def key_predicate(self, resource: Resource, by: By, at: str) -> str:
        """Write the condition that a row has this id or natural key."""
        if by == "id":
            return f"{resource.identity('t')} = {self.binder.bind(f'{at}.id', 'uuid')}"
        return f't."{resource.natural_key}" = {self.binder.bind(f"{at}.key", "text")}'

    def keys_predicate(self, resource: Resource, by: By, at: str) -> str:
        """Write the condition that a row has one of these ids or natural keys."""
        if by == "id":
            return f"{resource.identity('t')} = any({self.binder.bind(f'{at}.id', 'uuid[]')})"
        return f't."{resource.natural_key}" = any({self.binder.bind(f"{at}.natural_key", "text[]")})'

    def join_predicate(self, relation: Relation, resource: Resource, parent: Parent) -> list[str]:
        """Write the conditions that join rows to the parent's row."""
        source, alias = parent
        conditions = [f't."{theirs}" = {alias}."{ours}"' for theirs, ours in relation.on.items()]
        if resource.of_area and source.of_area:
            conditions.append(f"t.area_id = {alias}.area_id")
        if relation.where:
            conditions.append(self.binder.fill(relation.where, "t").replace("{p}", alias))
        return conditions

    def filter_predicates(
        self,
        resource: Resource,
        filters: tuple[str, ...],
        rows: AccessibleRows,
        at: str,
        found: Mapping[str, str],
        *,
        is_relation: bool,
    ) -> list[str]:
        """Write the conditions of a list with these filters.

        Args:
            resource, filters, rows, at: the list's.
            found: by filter, the step that looks up what its value stands for.
            is_relation: whether the list belongs to a parent's row, so that no default filter of the role applies.
        """
        conditions = []
        for name, declared in resource.filters.items():
            if name in filters:
                sql = self._filled(declared, declared.sql, name, rows, at)
                conditions.append(sql.replace("{found}", found.get(name, "")))
            elif declared.default_sql:
                conditions.append(self.binder.fill(declared.default_sql, "t"))
        default = resource.default_filters.get(self.profile.role)
        if default and not is_relation and default.unless not in filters:
            conditions.append(self.binder.fill(default.sql, "t"))
        return conditions

    def lookup(self, resource: Resource, name: str, rows: AccessibleRows, at: str) -> str:
        """Write the select of what a filter's value stands for, in each area of the caller."""
        declared = resource.filters[name]
        assert declared.lookup
        select = f"select l.* from {self._filled(declared, declared.lookup.source, name, rows, at)} l"
        branches = rows.branches(self.binder)
        return f"select l.* from {branches} cross join lateral ({select}) l" if branches else select

    def _filled(self, declared: Filter, sql: str, name: str, rows: AccessibleRows, at: str) -> str:
        """Replace the placeholders of a filter's SQL."""
        sql = self.binder.fill(sql, "t").replace("{v}", self.binder.bind(f"{at}.{name}", declared.pg_type))
        if "{hash}" in sql:
            sql = sql.replace("{hash}", self.binder.bind(f"{at}.{name}{HASHED}", "bytea"))
        return sql.replace("{area}", area_expression(rows, self.binder)) if "{area}" in sql else sql

    def after_cursor(self, resource: Resource, sort: str, descending: bool, at: str) -> str:
        """Write the condition that a row follows the place that a cursor names."""
        by = resource.sorts[sort]
        value, tie = self.binder.bind(f"{at}.value", by.pg_type), self.binder.bind(f"{at}.id", "uuid")
        return f'(t."{by.column}", {resource.identity("t")}) {"<" if descending else ">"} ({value}, {tie})'


def order_by(resource: Resource, sort: str, descending: bool) -> str:
    """Write the order of a list; the id breaks ties."""
    direction = "desc" if descending else "asc"
    return f'order by t."{resource.sorts[sort].column}" {direction}, {resource.identity("t")} {direction}'
