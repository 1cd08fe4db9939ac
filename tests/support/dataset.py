"""A small invented dataset that every test starts from: two areas alike, with a client of every role in each.

Wendshire (999) and Fenmark (998): two clusters of two schools each, two NHS trusts, a charity, three services. It is
written through the models with the owner's login, as a load is.
"""

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from support.clients import START, Client, add_client, owner_session

from convenor.areas.models import Area
from convenor.clusters.models import Cluster, ClusterMembership
from convenor.commissioned_services.models import CommissionedService, ServiceCluster
from convenor.database.ids import uuid7
from convenor.database.row_security import import_context, set_context
from convenor.providers.models import Provider
from convenor.schools.models import School
from convenor.security.principal import Grant, Role, RowAccess
from convenor.slas.models import Sla, SlaCluster, SlaKpi, SlaTerms
from convenor_auth.roles import ROLES


@dataclass
class DatasetArea:
    """One area of the dataset: ids by the names that tests use."""

    id: UUID
    schools: dict[str, UUID] = field(default_factory=dict)
    """By URN. The first two are in cluster "1", the other two in cluster "2"."""
    clusters: dict[str, UUID] = field(default_factory=dict)
    providers: dict[str, UUID] = field(default_factory=dict)
    """`trust`, `second_trust`, `charity`."""
    services: dict[str, UUID] = field(default_factory=dict)
    """By code: SLT (trust, core, both clusters), OT (second_trust, cluster 1), OUTREACH (charity, both)."""
    slas: dict[str, UUID] = field(default_factory=dict)
    """By code: SLA-SLT, SLA-OT, SLA-OUTREACH; active for the years around today, 120 sessions a year."""
    clients: dict[str, Client] = field(default_factory=dict)
    """school, neighbour (same cluster), far_school (other cluster), trust, second_trust, charity, cluster_lead,
    commissioner (pseudonyms), identifying_commissioner, finance, board, auditor."""


@dataclass
class Dataset:
    """Both areas, and the installation's operator."""

    wendshire: DatasetArea
    fenmark: DatasetArea
    operator: Client


async def load_dataset(owner_url: str) -> Dataset:
    """Write the dataset into a migrated database."""
    async with owner_session(owner_url) as session:
        return await build_dataset(session)


async def build_dataset(session: AsyncSession) -> Dataset:
    """Write the dataset. The session is the owner's."""
    wendshire = await _build_area(session, "999", "Wendshire", 900001)
    fenmark = await _build_area(session, "998", "Fenmark", 900101)
    operator = await add_client(session, Role.OPERATOR, client_id="operator")
    return Dataset(wendshire, fenmark, operator)


async def _build_area(session: AsyncSession, la_code: str, name: str, first_urn: int) -> DatasetArea:
    area = DatasetArea(uuid7())
    await set_context(session, import_context(area.id))
    session.add(Area(area_id=area.id, la_code=la_code, name=name))
    await session.flush()
    of = {"area_id": area.id}
    for code in ("1", "2"):
        cluster = Cluster(**of, code=code, name=f"Cluster {code}", valid_from=START)
        session.add(cluster)
        area.clusters[code] = cluster.id
    for at in range(4):
        urn = str(first_urn + at)
        school = School(**of, urn=urn, name=f"{name} School {at + 1}", phase="primary", status="open")
        session.add(school)
        area.schools[urn] = school.id
    for key, provider_name, kind, ods in (
        ("trust", "Wend Valley NHS Trust", "nhs", "RW1"),
        ("second_trust", "Moorside NHS Trust", "nhs", "RW2"),
        ("charity", "Open Door Outreach", "third_sector", None),
    ):
        provider = Provider(**of, name=provider_name, kind=kind, ods_code=ods)
        session.add(provider)
        area.providers[key] = provider.id
    await session.flush()
    for at, school_id in enumerate(area.schools.values()):
        cluster_id = area.clusters["1" if at < 2 else "2"]
        session.add(ClusterMembership(**of, cluster_id=cluster_id, school_id=school_id, valid_from=START))
    for code, need, offer, provider_key, clusters in (
        ("SLT", "C&I", "core", "trust", "12"),
        ("OT", "P&S", "local", "second_trust", "1"),
        ("OUTREACH", "SEMH", "local", "charity", "12"),
    ):
        await _service(session, area, code, need, offer, provider_key, clusters)
    await _clients(session, area, la_code, list(area.schools.values()))
    return area


async def _service(
    session: AsyncSession, area: DatasetArea, code: str, need: str, offer: str, provider_key: str, clusters: str
) -> None:
    of, provider_id = {"area_id": area.id}, area.providers[provider_key]
    service = CommissionedService(
        **of, code=code, name=f"The {code} service", area_of_need=need, offer=offer, provider_id=provider_id, places=20
    )
    session.add(service)
    area.services[code] = service.id
    await session.flush()
    sla = Sla(
        **of,
        code=f"SLA-{code}",
        service_id=service.id,
        provider_id=provider_id,
        status="active",
        starts_on=START,
        ends_on=date(2035, 8, 31),
        cadence="termly",
    )
    session.add(sla)
    area.slas[sla.code] = sla.id
    await session.flush()
    session.add(
        SlaTerms(
            **of, sla_id=sla.id, number=1, sessions=120, pupils=40, schools=4, price_pence=6_000_000, valid_from=START
        )
    )
    session.add(
        SlaKpi(
            **of,
            sla_id=sla.id,
            number=1,
            kpi="goals_met",
            name="Goals met",
            unit="percent",
            target=80,
            direction="at_least",
        )
    )
    for cluster in clusters:
        session.add(ServiceCluster(**of, service_id=service.id, cluster_id=area.clusters[cluster], valid_from=START))
        session.add(SlaCluster(**of, sla_id=sla.id, cluster_id=area.clusters[cluster]))
    await session.flush()


async def _clients(session: AsyncSession, area: DatasetArea, la_code: str, schools: list[UUID]) -> None:
    def grant(kind: RowAccess, key: UUID) -> Grant:
        return Grant(area.id, kind, key)

    whole = grant(RowAccess.AREA, area.id)
    for key, role, given in (
        ("school", Role.SCHOOL_MIS, grant(RowAccess.SCHOOL, schools[0])),
        ("neighbour", Role.SCHOOL_MIS, grant(RowAccess.SCHOOL, schools[1])),
        ("far_school", Role.SCHOOL_MIS, grant(RowAccess.SCHOOL, schools[2])),
        ("trust", Role.HEALTH_SYSTEM, grant(RowAccess.PROVIDER, area.providers["trust"])),
        ("second_trust", Role.HEALTH_SYSTEM, grant(RowAccess.PROVIDER, area.providers["second_trust"])),
        ("charity", Role.PROVIDER_PORTAL, grant(RowAccess.PROVIDER, area.providers["charity"])),
        ("cluster_lead", Role.CLUSTER_LEAD, grant(RowAccess.CLUSTER, area.clusters["1"])),
        ("commissioner", Role.COMMISSIONER, whole),
        ("identifying_commissioner", Role.COMMISSIONER, whole),
        ("finance", Role.FINANCE, whole),
        ("board", Role.BOARD, whole),
        ("auditor", Role.AUDITOR, whole),
    ):
        scopes = ROLES[role].scopes if key == "identifying_commissioner" else None
        area.clients[key] = await add_client(session, role, [given], client_id=f"{key}-{la_code}", scopes=scopes)
