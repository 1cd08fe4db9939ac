"""Wendshire itself: clusters, schools, who holds which role, providers. All of it is invented."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from convenor.areas.models import Area, area_id_of
from convenor.clusters.models import (
    Cluster,
    ClusterMembership,
    ClusterRole,
    ClusterRoleKind,
    ClusterSuccession,
    Development,
    SuccessionKind,
)
from convenor.demo.catalogue import CLUSTERS, PROVIDERS
from convenor.demo.invented_names import COLOURS, CREATURES, FAMILY, GIVEN
from convenor.demo.seeded_random import SeededRandom
from convenor.domain_types.codes import Phase
from convenor.importers.rows import Rows
from convenor.providers.models import Provider
from convenor.schools.models import School, SchoolStatus
from convenor_auth.models import Organisation

LA_CODE, NAME = "999", "Wendshire"
AREA_ID = area_id_of(LA_CODE)

FIRST_URN = 900001
PILOT_BEGAN, MERGED_ON, CONVERTED_ON = date(2018, 9, 1), date(2019, 9, 1), date(2022, 9, 1)

_SIZES = {"2": 26, "1": 24, "3": 28, "4.5": 22, "6": 20}
"""How many schools each cluster has, in the order of their URNs: the first of them is in cluster 2."""
_MERGED = ("4", "5")
_PHASES: dict[int, tuple[Phase, str, range, int]] = {
    4: (Phase.SECONDARY, "Academy", range(11, 18), 5),
    9: (Phase.SECONDARY, "High School", range(11, 16), 5),
    14: (Phase.NOT_APPLICABLE, "Special School", range(4, 18), 2),
    19: (Phase.NURSERY, "Nursery School", range(3, 4), 1),
}
"""By place in the cluster: phase, end of the name, ages on 31 August, and how many referrals to expect."""
_PRIMARY: tuple[Phase, str, range, int] = (Phase.PRIMARY, "Primary School", range(4, 11), 3)


@dataclass(frozen=True)
class SchoolEntry:
    """A school of the demo. `ages` are its pupils' ages on the 31 August before a school year."""

    id: UUID
    urn: str
    name: str
    phase: Phase
    laestab: str
    cluster: str
    ages: range
    weight: int


@dataclass(frozen=True)
class ProviderEntry:
    """A provider of the demo, with the organisation and the client that act for it."""

    id: UUID
    name: str
    organisation_id: UUID
    client_id: str


@dataclass(frozen=True)
class Directory:
    """What the demo's cases and contracts point to."""

    clusters: dict[str, UUID]
    schools: tuple[SchoolEntry, ...]
    providers: dict[str, ProviderEntry]


def build_directory(rows: Rows, rng: SeededRandom) -> Directory:
    """Add the area, its clusters, schools and providers, with their history."""
    rows.add(Area, area_id=AREA_ID, la_code=LA_CODE, name=NAME, gss_code="E99999999")
    clusters = _clusters(rows, rng)
    schools = _schools(rows, rng, clusters)
    _roles(rows, rng, clusters, schools)
    return Directory({code: clusters[code] for code in CLUSTERS}, schools, _providers(rows, rng))


def _clusters(rows: Rows, rng: SeededRandom) -> dict[str, UUID]:
    clusters: dict[str, UUID] = {}
    for code in (*CLUSTERS, *_MERGED):
        clusters[code] = rng.id_at(PILOT_BEGAN)
        rows.add(
            Cluster,
            area_id=AREA_ID,
            id=clusters[code],
            code=code,
            name=f"Cluster {code}",
            development=Development.PILOT if code in _MERGED else Development.MATURITY,
            note="Clusters 4 and 5 merged." if code == "4.5" else None,
            valid_from=MERGED_ON if code == "4.5" else PILOT_BEGAN,
            valid_to=MERGED_ON if code in _MERGED else None,
        )
    for code in _MERGED:
        rows.add(
            ClusterSuccession,
            area_id=AREA_ID,
            predecessor_id=clusters[code],
            successor_id=clusters["4.5"],
            kind=SuccessionKind.MERGE,
            happened_on=MERGED_ON,
        )
    return clusters


def _schools(rows: Rows, rng: SeededRandom, clusters: dict[str, UUID]) -> tuple[SchoolEntry, ...]:
    names = [f"{colour} {creature}" for colour in COLOURS for creature in CREATURES]
    rng.shuffle(names)
    schools: list[SchoolEntry] = []
    for cluster, size in _SIZES.items():
        for place in range(size):
            phase, ending, ages, weight = _PHASES.get(place, _PRIMARY)
            number = len(schools)
            school = SchoolEntry(
                id=rng.id_at(PILOT_BEGAN),
                urn=str(FIRST_URN + number),
                name=f"{names[number]} {ending}",
                phase=phase,
                laestab=f"{LA_CODE}{(4001 if phase is Phase.SECONDARY else 2001) + number}",
                cluster=cluster,
                ages=ages,
                weight=weight,
            )
            schools.append(school)
            rows.add(
                School,
                area_id=AREA_ID,
                id=school.id,
                urn=school.urn,
                name=school.name,
                phase=phase,
                status=SchoolStatus.OPEN,
                laestab=school.laestab,
                ukprn=str(99_000_001 + number),
            )
            if cluster == "4.5":
                _member(rows, rng, school.id, clusters[_MERGED[place % 2]], PILOT_BEGAN, MERGED_ON)
                _member(rows, rng, school.id, clusters[cluster], MERGED_ON)
            else:
                _member(rows, rng, school.id, clusters[cluster], PILOT_BEGAN)
    return (*schools[:-1], _convert(rows, rng, schools[-1], clusters))


def _convert(rows: Rows, rng: SeededRandom, school: SchoolEntry, clusters: dict[str, UUID]) -> SchoolEntry:
    """Convert the last school to an academy: a new URN, the same LAESTAB and the same cluster."""
    academy = SchoolEntry(
        id=rng.id_at(CONVERTED_ON),
        urn=str(int(school.urn) + 1),
        name=f"{school.name} Academy",
        phase=school.phase,
        laestab=school.laestab,
        cluster=school.cluster,
        ages=school.ages,
        weight=school.weight,
    )
    closed = rows.of[School][-1]
    rows.add(School, **{**closed, "id": academy.id, "urn": academy.urn, "name": academy.name})
    rows.of[School][-1] |= {"ukprn": str(int(closed["ukprn"]) + 1), "opened_on": CONVERTED_ON}
    closed |= {"status": SchoolStatus.CLOSED, "closed_on": CONVERTED_ON, "successor_id": academy.id}
    rows.of[ClusterMembership][-1]["valid_to"] = CONVERTED_ON
    _member(rows, rng, academy.id, clusters[academy.cluster], CONVERTED_ON)
    return academy


def _member(
    rows: Rows, rng: SeededRandom, school_id: UUID, cluster_id: UUID, valid_from: date, valid_to: date | None = None
) -> None:
    rows.add(
        ClusterMembership,
        area_id=AREA_ID,
        id=rng.id_at(valid_from),
        cluster_id=cluster_id,
        school_id=school_id,
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _roles(rows: Rows, rng: SeededRandom, clusters: dict[str, UUID], schools: tuple[SchoolEntry, ...]) -> None:
    """Add every role in each cluster, and a lead headteacher who has been replaced."""
    for code in CLUSTERS:
        began = MERGED_ON if code == "4.5" else PILOT_BEGAN
        own = [school for school in schools if school.cluster == code and school.phase is not Phase.NURSERY]
        terms: list[tuple[ClusterRoleKind, date, date | None]] = [
            (ClusterRoleKind.LEAD_HEADTEACHER, began, CONVERTED_ON),
            (ClusterRoleKind.LEAD_HEADTEACHER, CONVERTED_ON, None),
            *[(role, began, None) for role in ClusterRoleKind if role is not ClusterRoleKind.LEAD_HEADTEACHER],
        ]
        for role, valid_from, valid_to in terms:
            rows.add(
                ClusterRole,
                area_id=AREA_ID,
                id=rng.id_at(valid_from),
                cluster_id=clusters[code],
                school_id=rng.choice(own).id,
                role=role,
                holder=f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}",
                valid_from=valid_from,
                valid_to=valid_to,
            )


def _providers(rows: Rows, rng: SeededRandom) -> dict[str, ProviderEntry]:
    providers: dict[str, ProviderEntry] = {}
    for plan in PROVIDERS:
        system = "epr" if plan.organisation_kind == "health" else "portal"
        entry = ProviderEntry(rng.id_at(PILOT_BEGAN), plan.name, rng.id_at(PILOT_BEGAN), f"{system}-{plan.key}")
        providers[plan.key] = entry
        rows.add(Organisation, id=entry.organisation_id, name=plan.name, kind=plan.organisation_kind)
        rows.add(
            Provider,
            area_id=AREA_ID,
            id=entry.id,
            name=plan.name,
            kind=plan.kind,
            ods_code=plan.ods_code,
            company_number=plan.company_number,
            organisation_id=entry.organisation_id,
        )
    return providers
