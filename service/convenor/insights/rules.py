"""Publish counts of referrals and waits: counted and suppressed once, in the finest table, then grouped as asked."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from convenor.areas.rules import choose_area
from convenor.domain_types.dates import AcademicYear, now, today
from convenor.domain_types.statistics import Figure, Status
from convenor.insights.queries import months_of, waits_of
from convenor.insights.schemas import (
    ClusterWait,
    GroupBy,
    ReferralsFigure,
    ReferralsPublished,
    ServiceWait,
    WaitsPublished,
)
from convenor.insights.suppression import Policy, ProtectedTable, suppress_table
from convenor.problems import FieldErrors
from convenor.read_model.execute import Connection
from convenor.security.principal import Principal, RowAccess

POLICY = Policy()
SOURCE = "Referrals recorded in this service"
_SUPPRESSION = (
    f"Counts of 1 to {POLICY.threshold} below the level of the local authority are hidden, and further ones so that no "
    "total gives them away. A zero is a true zero."
)


async def area_of(connection: Connection, principal: Principal, la_code: str | None) -> UUID:
    """Choose the area of the figures: the one that the caller names, or the caller's only one.

    Raises:
        Invalid: the area is not the caller's, or the caller works in several and names none.
    """
    errors = FieldErrors()
    area = await choose_area(connection, principal, la_code, "/query/area", errors)
    errors.raise_if_any()
    assert area
    return area


async def publish_referrals(
    connection: Connection, principal: Principal, area: UUID, year: AcademicYear, group_by: GroupBy
) -> ReferralsPublished:
    """Publish the referrals that were submitted in those months of an academic year that have begun."""
    la_code, clusters, counted = await months_of(connection, principal, area, year.first_day, year.last_day)
    months = [f"{month:%Y-%m}" for month in year.months if month <= today()]
    counts: Mapping[tuple[str, str | None], int] = {
        (count["month"], count["cluster"]): count["referrals"] for count in counted
    }
    columns: list[str | None] = [*sorted({*clusters, *(cluster for _, cluster in counts if cluster)})]
    if any(cluster is None for _, cluster in counts):
        columns.append(None)
    table = suppress_table(counts, months, columns, POLICY)
    return ReferralsPublished(
        area=la_code,
        definition="Referrals by the month in which they were first submitted and the cluster their school was in then",
        definition_version=1,
        source=SOURCE,
        as_at=now().replace(microsecond=0),
        suppression=_SUPPRESSION,
        academic_year=str(year),
        first_day=year.first_day,
        last_day=year.last_day,
        group_by=group_by,
        data=_chosen(table, months, columns, group_by),
    )


def _chosen(
    table: ProtectedTable[str, str | None], months: list[str], columns: list[str | None], group_by: GroupBy
) -> list[ReferralsFigure]:
    match group_by:
        case GroupBy.MONTH:
            return [_figure(table.row_totals[month], month=month) for month in months]
        case GroupBy.CLUSTER:
            return [_figure(table.column_totals[cluster], cluster=cluster) for cluster in columns]
        case GroupBy.MONTH_AND_CLUSTER:
            return [
                _figure(table.cells[month, cluster], month=month, cluster=cluster)
                for month in months
                for cluster in columns
            ]


def _figure(figure: Figure, *, month: str | None = None, cluster: str | None = None) -> ReferralsFigure:
    return ReferralsFigure(value=figure.value, status=figure.status, month=month, cluster=cluster)


async def publish_waits(connection: Connection, principal: Principal, area: UUID) -> WaitsPublished:
    """Publish the waits of today, by service and cluster. A service sees its own figures unsuppressed."""
    la_code, waits = await waits_of(connection, principal, area, today())
    own = {str(key) for _, key in principal.keys(RowAccess.PROVIDER)}
    services: list[ServiceWait] = []
    data: list[ClusterWait] = []
    for service in waits:
        line, shows_all = service["clusters"], service["provider_id"] in own
        counts = [cell["waiting"] for cell in line]
        hidden = set() if shows_all else hidden_in_line(counts)
        named = {name: service[name] for name in ("service", "service_name")}
        whole = _wait(service, hide=not shows_all and POLICY.hides(service["waiting"]))
        services.append(ServiceWait(**named, **whole))
        data += [
            ClusterWait(**named, cluster=cell["cluster"], **_wait(cell, hide=at in hidden))
            for at, cell in enumerate(line)
        ]
    return WaitsPublished(
        area=la_code,
        definition="Open referrals without an attended contact, and their days since submission",
        definition_version=1,
        source=SOURCE,
        as_at=now().replace(microsecond=0),
        suppression=_SUPPRESSION + " By cluster, zeros beside a small count of the same service are hidden with it.",
        services=services,
        data=data,
    )


def hidden_in_line(counts: Sequence[int]) -> set[int]:
    """Choose which counts of a service to hide, so that the total, which is shown, discloses none of them.

    Zeros are hidden with the small counts. Otherwise, of a total of five, five clusters with one child each could be
    identified. Without a zero, the smallest of the other counts are hidden too: all equal ones, since their order
    could disclose one. A reader who knows this rule, the shown figures and the total is left with at least two
    possible numbers for each hidden count.

    Args:
        counts: the waits by cluster. They add up to the service's total, which is shown unless it is itself small.

    Returns:
        The positions of the hidden counts.
    """
    small = {at for at, count in enumerate(counts) if POLICY.hides(count)}
    if not small:
        return set()
    least = min((count for count in counts if not POLICY.hides(count)), default=0)
    return small | {at for at, count in enumerate(counts) if count == least}


def _wait(counted: Mapping[str, Any], *, hide: bool) -> dict[str, Any]:
    shown = {name: None if hide else counted[name] for name in ("waiting", "median_days", "longest_days")}
    return shown | {"status": Status.SUPPRESSED if hide else Status.OK}
