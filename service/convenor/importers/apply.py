"""Store the rows of a file as records of an area. Records that exist do not change, and nothing is invented."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.areas.models import Area
from convenor.benchmarks.models import Benchmark
from convenor.clusters.models import Cluster, ClusterMembership
from convenor.commissioned_services.models import CommissionedService, Offer, ServiceCluster
from convenor.domain_types.dates import AcademicYear
from convenor.importers.areas import Authority
from convenor.importers.checks import is_elsewhere, rows_of
from convenor.importers.files import (
    BenchmarkRow,
    ClusterRow,
    Contents,
    FindingRow,
    OfferRow,
    PilotSchoolRow,
    PracticeRow,
)
from convenor.importers.report import Finding
from convenor.importers.rows import Rows
from convenor.networks.models import Network, Practice
from convenor.schools.models import School, SchoolStatus

Mint = Callable[[], UUID]
"""What gives the next new record its id."""

Ids = Mapping[Any, UUID]
"""The ids of records by what names them."""

PILOT, OFFERED = AcademicYear(2018), AcademicYear(2025)


async def check_references(session: AsyncSession, area: Authority, contents: Contents) -> tuple[Finding, ...]:
    """Report the rows that name a cluster which the area does not have."""
    named: defaultdict[str, list[int]] = defaultdict(list)
    for line, row in contents.rows.items():
        if isinstance(row, PilotSchoolRow | OfferRow):
            named[row.cluster].append(line)
    known = await _known(session, area, Cluster, "code")
    return tuple(
        Finding.left_out("no_such_cluster", f"{area.name} has no cluster {code}: load its clusters first.", *lines)
        for code, lines in named.items()
        if code not in known
    )


async def apply(session: AsyncSession, area: Authority, contents: Contents, skipped: frozenset[int], mint: Mint) -> int:
    """Store the rows of a file that are not skipped, and return the number of new records.

    Args:
        session: in the area's context; the caller commits it.
        area: the area, which is stored first where it is not there yet.
        contents: the file.
        skipped: the lines to leave out.
        mint: gives each new record its id.
    """
    left = {line: row for line, row in contents.rows.items() if line not in skipped}
    rest = Contents(contents.kind, left, (), contents.count)
    rows = Rows()
    if not area.stored:
        rows.add(Area, area_id=area.area_id, la_code=area.la_code, name=area.name, gss_code=area.gss_code)
    clusters = await _known(session, area, Cluster, "code")
    _clusters(rows, area, rows_of(rest, ClusterRow).values(), clusters, mint)
    _schools(
        rows, area, rows_of(rest, PilotSchoolRow).values(), clusters, await _known(session, area, School, "name"), mint
    )
    services = await _known(session, area, CommissionedService, "code")
    _services(rows, area, rows_of(rest, OfferRow).values(), clusters, services, mint)
    networks = await _known(session, area, Network, "number")
    _networks(rows, area, rows_of(rest, PracticeRow).values(), networks, mint)
    await _benchmarks(session, rows, area, _published(rest, area), mint)
    await rows.store(session)
    return len(rows)


def _clusters(rows: Rows, area: Authority, stated: Iterable[ClusterRow], known: Ids, mint: Mint) -> None:
    for row in stated:
        if row.code not in known:
            rows.add(Cluster, area_id=area.area_id, id=mint(), code=row.code, name=row.name, note=row.note)


def _schools(
    rows: Rows, area: Authority, stated: Iterable[PilotSchoolRow], clusters: Ids, known: Ids, mint: Mint
) -> None:
    """Store schools, each with a membership that ended with the pilot year."""
    for row in stated:
        if row.name in known:
            continue
        school_id = mint()
        rows.add(School, area_id=area.area_id, id=school_id, name=row.name, phase=row.phase, status=SchoolStatus.OPEN)
        rows.add(
            ClusterMembership,
            area_id=area.area_id,
            id=mint(),
            cluster_id=clusters[row.cluster],
            school_id=school_id,
            valid_from=PILOT.first_day,
            valid_to=AcademicYear(PILOT.start + 1).first_day,
        )


def _services(rows: Rows, area: Authority, stated: Iterable[OfferRow], clusters: Ids, known: Ids, mint: Mint) -> None:
    """Store services, one for each name within an area of need; core where every cluster of the area buys it."""
    buyers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in stated:
        buyers[row.area_of_need, row.service].append(row.cluster)
    year = {"valid_from": OFFERED.first_day, "valid_to": AcademicYear(OFFERED.start + 1).first_day}
    taken: set[str] = set()
    for (area_of_need, name), codes in buyers.items():
        code = _free(_code(f"{area_of_need} {name}"), taken)
        taken.add(code)
        if code in known:
            continue
        service_id = mint()
        rows.add(
            CommissionedService,
            area_id=area.area_id,
            id=service_id,
            code=code,
            name=name,
            area_of_need=area_of_need,
            offer=Offer.CORE if set(codes) == set(clusters) else Offer.LOCAL,
            **year,
        )
        for cluster in codes:
            rows.add(
                ServiceCluster,
                area_id=area.area_id,
                id=mint(),
                service_id=service_id,
                cluster_id=clusters[cluster],
                **year,
            )


def _networks(rows: Rows, area: Authority, stated: Iterable[PracticeRow], known: Ids, mint: Mint) -> None:
    practices: defaultdict[int, list[PracticeRow]] = defaultdict(list)
    for row in stated:
        practices[row.number].append(row)
    for number, members in practices.items():
        if number in known:
            continue
        network_id, of = mint(), members[0]
        in_part = any(is_elsewhere(row, area.name) for row in members)
        rows.add(
            Network,
            area_id=area.area_id,
            id=network_id,
            number=number,
            name=of.network,
            integrated_care_area=of.integrated_care_area,
            is_pcn=of.is_pcn,
            population=None if in_part else of.network_population,
        )
        for row in members:
            rows.add(Practice, area_id=area.area_id, network_id=network_id, name=row.practice)


def _published(contents: Contents, area: Authority) -> list[dict[str, Any]]:
    """Return benchmarks, and findings as benchmarks of the area itself, as the fields of `Benchmark`."""
    return [row.model_dump() for row in rows_of(contents, BenchmarkRow).values()] + [
        {
            "indicator": row.code,
            "title": row.finding,
            "phase": "all",
            "period": row.period,
            "geography": area.name,
            "value": row.value,
            "unit": row.unit,
        }
        for row in rows_of(contents, FindingRow).values()
    ]


async def _benchmarks(
    session: AsyncSession, rows: Rows, area: Authority, values: Iterable[dict[str, Any]], mint: Mint
) -> None:
    key = ("indicator", "phase", "period", "geography")
    columns = [getattr(Benchmark, name) for name in key]
    known = set(map(tuple, await session.execute(select(*columns).where(col(Benchmark.area_id) == area.area_id))))
    for value in values:
        if tuple(value[name] for name in key) not in known:
            rows.add(Benchmark, area_id=area.area_id, id=mint(), **value)


async def _known(session: AsyncSession, area: Authority, model: Any, key: str) -> Ids:
    found = await session.execute(select(getattr(model, key), model.id).where(model.area_id == area.area_id))
    return {row[0]: row[1] for row in found}


def _code(text: str) -> str:
    return re.sub("[^A-Z0-9]+", "-", text.upper().replace("&", "")).strip("-")[:36]


def _free(code: str, taken: set[str]) -> str:
    number = 1
    while (free := code if number == 1 else f"{code}-{number}") in taken:
        number += 1
    return free
