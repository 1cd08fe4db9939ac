"""Make the records of an area from the rows of a file: created or changed by what names them, and never ended."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from convenor.benchmarks.models import Benchmark
from convenor.clusters.models import Cluster, ClusterMembership
from convenor.commissioned_services.models import CommissionedService, Offer, ServiceCluster
from convenor.domain_types.dates import AcademicYear, today
from convenor.importers.checks import is_elsewhere, rows_of
from convenor.importers.files import (
    BenchmarkRow,
    ClusterRow,
    Contents,
    FindingRow,
    Kind,
    LinkRow,
    MembershipRow,
    OfferRow,
    PilotSchoolRow,
    PracticeRow,
    ProviderRow,
    SchoolRow,
    ServiceRow,
    cells_of,
)
from convenor.importers.references import EVERY_CLUSTER, PILOT, period_of, pilot_school, provider_of
from convenor.importers.stored import is_over, overlap
from convenor.importers.upsert import Upsert
from convenor.networks.models import Network, Practice
from convenor.providers.models import Provider
from convenor.schools.models import School, SchoolStatus

OFFERED = AcademicYear(2025)
"""The year of the programme's own file of offers."""


def apply(upsert: Upsert, contents: Contents, year: AcademicYear | None) -> tuple[str, ...]:
    """Gather what the rows of a file create and change.

    Args:
        upsert: gathers it.
        contents: the rows that no finding leaves out.
        year: the year that the load is for.

    Returns:
        Notes on what the file leaves out.
    """
    make, models = _MAKERS[contents.kind]
    notes = make(upsert, contents, year) or ()
    return (*notes, *upsert.finish(*models))


def _clusters(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> None:
    known = upsert.stored.by(Cluster, "code")
    for row in rows_of(contents, ClusterRow).values():
        upsert.put(Cluster, known.get(row.code), **cells_of(row, "code", "name", "note"))


def _schools(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> tuple[str, ...]:
    known, notes = upsert.stored.by(School, "urn"), []
    for row in rows_of(contents, SchoolRow).values():
        found, closed_on, status = known.get(row.urn), row.first_closed_day, row.status
        if closed_on and closed_on <= today():
            if status is SchoolStatus.OPEN:
                notes.append(f"School {row.urn} is stated as open, and is stored as closed from {closed_on}.")
            status = SchoolStatus.CLOSED
        upsert.put(
            School,
            found,
            **cells_of(row, "urn", "name", "phase", "ukprn", "opened_on"),
            laestab=row.dfe_number,
            closed_on=closed_on,
            status=status or (None if found else SchoolStatus.OPEN),
        )
    return tuple(notes)


def _links(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> tuple[str, ...]:
    known, counts = upsert.stored.by(School, "urn"), upsert.counts["links"]
    rows = rows_of(contents, LinkRow)
    # The register states each link twice, once for each of its schools.
    links = dict.fromkeys(row.succession for row in rows.values())
    others = sum(row.succession is None for row in rows.values())
    unknown = 0
    for link in links:
        if link is None:
            continue
        old, new = (known.get(urn) for urn in link)
        if not old or not new:
            unknown += 1
        elif old["successor_id"] == new["id"]:
            counts.unchanged += 1
        else:
            upsert.rows.change(School, **{**old, "successor_id": new["id"]})
            counts.created += 1
    linked = sum(record["successor_id"] is not None for record in upsert.stored.of[School])
    counts.left = linked - counts.unchanged
    notes = {f"{others} links of other kinds are not read.": others}
    notes[f"{unknown} links name a school that is not in the directory, and are not stored."] = unknown
    return tuple(note for note, number in notes.items() if number)


def _memberships(upsert: Upsert, contents: Contents, year: AcademicYear | None) -> None:
    known = upsert.stored.by(ClusterMembership, "school_id", "cluster_id", "valid_from")
    clusters = upsert.stored.by(Cluster, "code")
    for row in rows_of(contents, MembershipRow).values():
        school, (first, end) = upsert.stored.school(row.urn, row.laestab), period_of(row, year)
        assert school, "the references are checked"
        key = {"school_id": school["id"], "cluster_id": clusters[row.cluster]["id"], "valid_from": first}
        upsert.put(ClusterMembership, known.get(tuple(key.values())), **key, valid_to=end)


def _providers(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> None:
    by_code, by_name = upsert.stored.by(Provider, "ods_code"), upsert.stored.by(Provider, "name")
    for row in rows_of(contents, ProviderRow).values():
        found = (by_code.get(row.ods_code) if row.ods_code else None) or by_name.get(row.name)
        upsert.put(Provider, found, **cells_of(row, "name", "kind", "ods_code", "ukprn", "company_number"))


def _services(upsert: Upsert, contents: Contents, year: AcademicYear | None) -> None:
    known, clusters = upsert.stored.by(CommissionedService, "code"), upsert.stored.by(Cluster, "code")
    everywhere = {code for code, record in clusters.items() if not is_over(record)}
    for row in rows_of(contents, ServiceRow).values():
        found, (first, end) = known.get(row.code), period_of(row, year)
        buyers = set(row.clusters or (EVERY_CLUSTER,) if row.offer is Offer.CORE else row.clusters or ())
        if EVERY_CLUSTER in buyers:
            buyers = {str(code) for code in everywhere}
        offer = row.offer or (None if found else _offer(buyers, everywhere))
        provider = provider_of(upsert.stored, row.provider) if row.provider else None
        service = upsert.put(
            CommissionedService,
            found,
            **cells_of(row, "code", "name", "area_of_need", "level", "audience", "delivery_mode", "setting"),
            **cells_of(row, "eligibility", "evidence"),
            offer=offer,
            valid_from=first,
            valid_to=end,
            provider_id=provider and provider["id"],
        )
        _purchases(upsert, service, buyers, first or (found and found["valid_from"]) or today(), end)


def _offer(buyers: Collection[Any], everywhere: Collection[Any]) -> Offer:
    return Offer.CORE if buyers and set(buyers) == set(everywhere) else Offer.LOCAL


def _purchases(upsert: Upsert, service: UUID, buyers: Iterable[Any], first: date, end: date | None) -> None:
    """Let clusters buy a service for a period, where none of their purchases is of any day of it."""
    clusters = upsert.stored.by(Cluster, "code")
    present = upsert.stored.groups(ServiceCluster, "service_id", "cluster_id")
    for code in sorted(buyers):
        key = {"service_id": service, "cluster_id": clusters[code]["id"]}
        bought = [record for record in present.get(tuple(key.values()), ()) if overlap(record, first, end)]
        if bought:
            upsert.put(ServiceCluster, bought[0])
        else:
            upsert.put(ServiceCluster, None, **key, valid_from=first, valid_to=end)


def _pilot_schools(upsert: Upsert, contents: Contents, year: AcademicYear | None) -> None:
    """Make schools, each with a membership of the year."""
    of = year or PILOT
    stored, clusters = upsert.stored, upsert.stored.by(Cluster, "code")
    known = stored.by(ClusterMembership, "school_id", "cluster_id", "valid_from")
    for row in rows_of(contents, PilotSchoolRow).values():
        found = pilot_school(stored, row)
        status = None if found else SchoolStatus.OPEN
        school = upsert.put(School, found, **cells_of(row, "urn", "name", "phase"), status=status)
        key = {"school_id": school, "cluster_id": clusters[row.cluster]["id"], "valid_from": of.first_day}
        end = AcademicYear(of.start + 1).first_day
        upsert.put(ClusterMembership, known.get(tuple(key.values())), **key, valid_to=end)


def _offers(upsert: Upsert, contents: Contents, year: AcademicYear | None) -> None:
    """Make services, one for each name within an area of need; core where every cluster of the area buys it."""
    of, rows = year or OFFERED, rows_of(contents, OfferRow).values()
    first, end = of.first_day, AcademicYear(of.start + 1).first_day
    stored, everywhere = upsert.stored, upsert.stored.by(Cluster, "code")
    by_code, by_name = stored.by(CommissionedService, "code"), stored.by(CommissionedService, "area_of_need", "name")
    offers: defaultdict[tuple[str, str], list[OfferRow]] = defaultdict(list)
    for row in rows:
        offers[row.area_of_need, row.service].append(row)
    taken: set[str] = set()
    for (area_of_need, name), of_service in offers.items():
        stated = next((row.code for row in of_service if row.code), None)
        code = stated or _free(_code(f"{area_of_need} {name}"), taken)
        taken.add(code)
        found = by_code.get(code) or (None if stated else by_name.get((area_of_need, name)))
        named = next((row.provider for row in of_service if row.provider), None)
        provider = provider_of(stored, named) if named else None
        buyers = {row.cluster for row in of_service}
        values: dict[str, Any] = {"code": code, "valid_from": first, "valid_to": end}
        if found:
            # An offer of another year extends the service, which may have been promoted since.
            begins, ends = found["valid_from"], found["valid_to"]
            values = {"valid_from": begins and min(begins, first), "valid_to": ends and max(ends, end)}
        else:
            values["offer"] = _offer(buyers, everywhere)
        service = upsert.put(
            CommissionedService,
            found,
            name=name,
            area_of_need=area_of_need,
            provider_id=provider and provider["id"],
            **values,
        )
        _purchases(upsert, service, buyers, first, end)


def _networks(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> None:
    known = upsert.stored.by(Network, "number")
    present = upsert.stored.groups(Practice, "network_id", "name")
    practices: defaultdict[int, list[PracticeRow]] = defaultdict(list)
    for row in rows_of(contents, PracticeRow).values():
        practices[row.number].append(row)
    for number, members in practices.items():
        of = members[0]
        in_part = any(is_elsewhere(row, upsert.stored.area.name) for row in members)
        network = upsert.put(
            Network,
            known.get(number),
            number=number,
            name=of.network,
            integrated_care_area=of.integrated_care_area,
            is_pcn=of.is_pcn,
            population=None if in_part else of.network_population,
        )
        for row in members:
            upsert.add(Practice, (network, row.practice) in present, network_id=network, name=row.practice)


def _benchmarks(upsert: Upsert, contents: Contents, _year: AcademicYear | None) -> None:
    """Make benchmarks, and findings as benchmarks of the area itself."""
    key = ("indicator", "phase", "period", "geography")
    known = upsert.stored.by(Benchmark, *key)
    values = [row.model_dump() for row in rows_of(contents, BenchmarkRow).values()]
    values += [
        {
            "indicator": row.code,
            "title": row.finding,
            "phase": "all",
            "period": row.period,
            "geography": upsert.stored.area.name,
            "value": row.value,
            "unit": row.unit,
        }
        for row in rows_of(contents, FindingRow).values()
    ]
    for value in values:
        upsert.put(Benchmark, known.get(tuple(value[name] for name in key)), **value)


Maker = Callable[[Upsert, Contents, AcademicYear | None], tuple[str, ...] | None]

_MAKERS: Mapping[Kind, tuple[Maker, tuple[type[SQLModel], ...]]] = {
    Kind.CLUSTERS: (_clusters, (Cluster,)),
    Kind.SCHOOLS: (_schools, (School,)),
    Kind.SCHOOL_LINKS: (_links, ()),
    Kind.MEMBERSHIPS: (_memberships, (ClusterMembership,)),
    Kind.PROVIDERS: (_providers, (Provider,)),
    Kind.SERVICES: (_services, (CommissionedService, ServiceCluster)),
    Kind.PILOT_SCHOOLS: (_pilot_schools, (School, ClusterMembership)),
    Kind.OFFERS: (_offers, (CommissionedService, ServiceCluster)),
    Kind.NETWORKS: (_networks, (Network, Practice)),
    Kind.BENCHMARKS: (_benchmarks, (Benchmark,)),
    Kind.FINDINGS: (_benchmarks, (Benchmark,)),
}
"""What makes the records of each kind of file, and the tables of which it counts what the file leaves out."""


def _code(text: str) -> str:
    return re.sub("[^A-Z0-9]+", "-", text.upper().replace("&", "")).strip("-")[:36]


def _free(code: str, taken: set[str]) -> str:
    number = 1
    while (free := code if number == 1 else f"{code}-{number}") in taken:
        number += 1
    return free
