"""What a select over alias `t` is narrowed to and how it is ordered, the same for a list of REST and for a graph.

How a record is named, how rows hang on another row, what a list leaves out, where its page begins. How far the caller
reaches is a predicate of its own, in `reach`.
"""

from convenor.read_model.columns import Binder
from convenor.read_model.resource import Relation, Resource
from convenor.read_model.row_access import AccessProfile, Rows, area_sql
from convenor.read_model.selection import By
from convenor.security.principal import RowAccess

Parent = tuple[Resource, str]
"""The resource on whose row others hang, and the alias of that row."""


MOST_COUNTED = 200
"""Records of a counted list that the audit is told, where the list is about one pupil: more than one ever has."""


def is_about_one(resource: Resource, filters: tuple[str, ...]) -> bool:
    """Whether a list is searched by what stands behind a wall, so that its very length tells of one pupil."""
    return any(resource.filters[name].sensitivity for name in filters)


class Predicates:
    """Writes the conditions of one statement. Parameters are named by `at`, what they belong to."""

    def __init__(self, profile: AccessProfile, binder: Binder) -> None:
        self.profile, self.binder = profile, binder

    def rows(self, resource: Resource) -> Rows:
        """The rows of a resource that the caller reaches, whatever it reaches of any other."""
        row_access = resource.row_access_of(self.profile.role)
        within = self.binder.fill(resource.within_clusters, "t") if row_access is RowAccess.CLUSTER else ""
        return Rows(resource.table, resource.of_area, row_access, row_access in self.profile.several, within)

    def named(self, resource: Resource, by: By, at: str) -> str:
        """That a row is the one of this id or natural key."""
        if by == "id":
            return f"{resource.identity('t')} = {self.binder.bind(f'{at}.id', 'uuid')}"
        return f't."{resource.natural_key}" = {self.binder.bind(f"{at}.key", "text")}'

    def join_predicate(self, relation: Relation, resource: Resource, parent: Parent) -> list[str]:
        """That rows hang on the parent's row."""
        source, alias = parent
        conditions = [f't."{theirs}" = {alias}."{ours}"' for theirs, ours in relation.on.items()]
        if resource.of_area and source.of_area:
            conditions.append(f"t.area_id = {alias}.area_id")
        if relation.where:
            conditions.append(self.binder.fill(relation.where, "t").replace("{p}", alias))
        return conditions

    def filtered(self, resource: Resource, filters: tuple[str, ...], rows: Rows, at: str, *, whole: bool) -> list[str]:
        """What a list holds with these filters.

        Args:
            resource, filters, rows, at: of the list.
            whole: whether it is a list of its own, which a role's `Own` narrows; not one of what hangs on a row.
        """
        conditions = []
        for name, it in resource.filters.items():
            if name in filters:
                sql = self.binder.fill(it.sql, "t").replace("{v}", self.binder.bind(f"{at}.{name}", it.pg_type))
                conditions.append(sql.replace("{area}", area_sql(rows, self.binder)) if "{area}" in sql else sql)
            elif it.otherwise:
                conditions.append(self.binder.fill(it.otherwise, "t"))
        default_filters = resource.default_filters.get(self.profile.role)
        if default_filters and whole and default_filters.unless not in filters:
            conditions.append(self.binder.fill(default_filters.sql, "t"))
        return conditions

    def beyond(self, resource: Resource, sort: str, descending: bool, at: str) -> str:
        """That a row lies behind the place that a cursor names."""
        by = resource.sorts[sort]
        value, tie = self.binder.bind(f"{at}.value", by.pg_type), self.binder.bind(f"{at}.id", "uuid")
        return f'(t."{by.column}", {resource.identity("t")}) {"<" if descending else ">"} ({value}, {tie})'


def order_by(resource: Resource, sort: str, descending: bool) -> str:
    """The order of a list; the id breaks ties."""
    way = "desc" if descending else "asc"
    return f'order by t."{resource.sorts[sort].column}" {way}, {resource.identity("t")} {way}'
