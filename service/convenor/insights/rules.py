"""What is published of referrals and waits: counted once on the finest table, suppressed once, then shown by choice."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from convenor.insights.queries import area_named, months_of, waits_of
from convenor.insights.schemas import GroupBy, ReferralsFigure, ReferralsPublished, WaitFigure, WaitsPublished
from convenor.insights.suppression import Policy, ProtectedTable, suppress_table
from convenor.kit.calendar import AcademicYear, today
from convenor.kit.errors import Faults
from convenor.kit.figures import Figure, Status
from convenor.kit.principal import Principal, Reach
from convenor.kit.reading.run import Connection

POLICY = Policy()
SOURCE = "Referrals recorded in this service"
_SUPPRESSION = (
    f"Counts of 1 to {POLICY.threshold} below the level of the local authority are hidden, and further ones so that no "
    "total gives them away. A zero is a true zero."
)


async def choose_area(connection: Connection, principal: Principal, la_code: str | None) -> UUID:
    """The area that a question is about: the one that is named, or the caller's only one.

    Raises:
        Invalid: when it is not the caller's, or the caller works in several and names none.
    """
    faults = Faults()
    if la_code is None and len(principal.areas) == 1:
        return principal.areas[0]
    if la_code is None:
        faults.add("/query/area", "required", "You work in several areas: name one by its LA code.")
    found = await area_named(connection, principal, la_code) if la_code else None
    if la_code and found is None:
        faults.unknown("/query/area", "area")
    faults.refuse()
    assert found
    return found


async def publish_referrals(
    connection: Connection, principal: Principal, area: UUID, year: AcademicYear, group_by: GroupBy
) -> ReferralsPublished:
    """Referrals submitted in the months of an academic year that have begun."""
    la_code, clusters, counted = await months_of(connection, principal, area, year.first_day, year.last_day)
    months = [f"{month:%Y-%m}" for month in year.months if month <= today()]
    counts: Mapping[tuple[str, str | None], int] = {
        (count["month"], count["cluster"]): count["referrals"] for count in counted
    }
    columns: list[str | None] = sorted({*clusters, *(cluster for _, cluster in counts if cluster)})
    if any(cluster is None for _, cluster in counts):
        columns.append(None)
    table = suppress_table(counts, months, columns, POLICY)
    return ReferralsPublished(
        area=la_code,
        definition="Referrals by the month in which they were first submitted and the cluster their school was in then",
        definition_version=1,
        source=SOURCE,
        as_at=datetime.now(UTC),
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
    """Who waits now, by service and cluster. A service sees its own figures whole."""
    la_code, waits = await waits_of(connection, principal, area)
    own = {str(key) for _, key in principal.keys(Reach.PROVIDER)}
    data: list[WaitFigure] = []
    for _, lines in groupby(waits, key=lambda wait: wait["service"]):
        data += _service_figures(list(lines), own)
    return WaitsPublished(
        area=la_code,
        definition="Open referrals without an attended contact, and their days since submission",
        definition_version=1,
        source=SOURCE,
        as_at=datetime.now(UTC),
        suppression=_SUPPRESSION,
        data=data,
    )


def _service_figures(lines: list[dict[str, Any]], own: set[str]) -> list[WaitFigure]:
    first = lines[0]
    waiting = [line for line in lines if line["waiting"]]
    whole = {name: first[f"all_{name}"] for name in ("waiting", "median_days", "longest_days")}
    shows_all = first["provider_id"] in own
    hidden = set() if shows_all else hidden_in_line([line["waiting"] for line in waiting])
    figures = [_wait(first, None, whole, hide=not shows_all and POLICY.hides(whole["waiting"]))]
    figures += [_wait(line, line["cluster"], line, hide=at in hidden) for at, line in enumerate(waiting)]
    return figures


def hidden_in_line(counts: list[int]) -> set[int]:
    """Which places of a line of counts are hidden so that its published total gives none of them away.

    All counts are above zero. Small ones are hidden; while what the hidden ones add up to leaves them a single choice
    (one alone, or as many as their sum, hence ones), the smallest of the others joins them. A total that is itself
    small is not published, and then nothing can be derived from it. Five or more ones that are all there is are the
    one case that no complement is left for.
    """
    hidden = {at for at, count in enumerate(counts) if POLICY.hides(count)}
    if POLICY.hides(sum(counts)):
        return hidden
    others = sorted(set(range(len(counts))) - hidden, key=lambda at: (counts[at], at))
    while hidden and others and (len(hidden) == 1 or sum(counts[at] for at in hidden) == len(hidden)):
        hidden.add(others.pop(0))
    return hidden


def _wait(service: dict[str, Any], cluster: str | None, counted: dict[str, Any], *, hide: bool) -> WaitFigure:
    return WaitFigure(
        service=service["service"],
        service_name=service["service_name"],
        cluster=cluster,
        waiting=None if hide else counted["waiting"],
        median_days=None if hide else counted["median_days"],
        longest_days=None if hide else counted["longest_days"],
        status=Status.SUPPRESSED if hide else Status.OK,
    )
