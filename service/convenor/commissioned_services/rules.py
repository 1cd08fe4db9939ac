"""What may happen to a commissioned service: who provides it, who buys it, and its promotion to the core offer."""

from collections.abc import Collection, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.areas.rules import area_of
from convenor.clusters.models import Cluster
from convenor.clusters.resource import CLUSTERS
from convenor.commissioned_services.models import CommissionedService, Offer, ServiceCluster
from convenor.commissioned_services.resource import SERVICES
from convenor.commissioned_services.schemas import ServiceCreate, ServiceUpdate
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import today
from convenor.problems import FieldErrors, StateConflict
from convenor.providers.resource import PROVIDERS
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import lock, lock_all, resolve
from convenor.security.principal import Principal


async def create_service(session: AsyncSession, principal: Principal, data: ServiceCreate) -> CommissionedService:
    """Adds a service to the offer of an area.

    Raises:
        Invalid: naming every reference that does not hold.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    provider = await _provider(session, principal, area, data.provider, errors)
    clusters = _buyers(await lock_clusters(session, principal, data.clusters or []), area, errors)
    errors.ends_after(data.valid_from, data.valid_to)
    errors.raise_if_any()
    assert area
    if data.clusters is None and data.offer is Offer.CORE:
        clusters = await _lock_open_clusters(session, area)
    service = CommissionedService(
        area_id=area, provider_id=provider, **data.model_dump(exclude={"area", "provider", "clusters", "capacity"})
    )
    if data.capacity:
        service.places, service.capacity_confirmed_on = data.capacity.places, data.capacity.confirmed_on
    session.add(service)
    await session.flush()
    _begin(session, service, clusters, data.valid_from or today())
    return service


async def update_service(
    session: AsyncSession,
    principal: Principal,
    service: CommissionedService,
    data: ServiceUpdate,
    clusters: Sequence[Cluster | None],
) -> None:
    """Changes a service. A change of provider carries its referrals and SLAs along (`on update cascade`).

    Args:
        session, principal, data: for whom, and what is to change.
        service: locked, after its clusters.
        clusters: those that `data` names, see `lock_clusters`.

    Raises:
        Invalid: naming every reference that does not hold.
        StateConflict: when a cluster would stop buying what it buys only from today.
    """
    given, errors = data.given(), FieldErrors()
    provider = await _provider(session, principal, service.area_id, given.pop("provider", None), errors)
    wanted = _buyers(clusters, service.area_id, errors)
    errors.ends_after(given.get("valid_from", service.valid_from), given.get("valid_to", service.valid_to))
    errors.raise_if_any()
    if given.pop("clusters", None) is not None:
        await _replace(session, service, wanted)
    if given.pop("capacity", None) and data.capacity:
        service.places, service.capacity_confirmed_on = data.capacity.places, data.capacity.confirmed_on
    if provider:
        service.provider_id = provider
    service.sqlmodel_update(given)
    service.version += 1


async def load_with_clusters(
    session: AsyncSession, principal: Principal, key: str
) -> tuple[CommissionedService, Collection[UUID]]:
    """Load a service by its id or code, locked after the clusters of its area that have no end; with their ids.

    Raises:
        NotFound: when it is absent or not of the caller's area.
    """
    found = await resolve(session, principal, SERVICES, key)
    clusters = await _lock_open_clusters(session, found[0])
    return await lock(session, CommissionedService, found), clusters


async def promote_service(
    session: AsyncSession, service: CommissionedService, clusters: Collection[UUID], evidence: str
) -> None:
    """Makes a local service part of the core offer: every cluster of the area buys it from today.

    Raises:
        StateConflict: when it is core already.
    """
    if service.offer == Offer.CORE:
        raise StateConflict("This service is part of the core offer already.")
    service.offer, service.promotion_evidence, service.promoted_on = Offer.CORE, evidence, today()
    service.version += 1
    buying = {row.cluster_id for row in await _purchases(session, service)}
    _begin(session, service, set(clusters) - buying, today())


async def lock_clusters(session: AsyncSession, principal: Principal, keys: Sequence[str]) -> Sequence[Cluster | None]:
    """Load the cluster of each id or code, or None where there is none for the caller.

    They are locked, so that no merger or split passes by a purchase that is just beginning.
    """
    connection = await driver_connection(session)
    named = [await resolve_reference(connection, principal, CLUSTERS, key) for key in keys]
    locked = {
        (cluster.area_id, cluster.id): cluster
        for cluster in await lock_all(session, Cluster, {key for key in named if key})
    }
    return [locked.get(key) if key else None for key in named]


def _begin(session: AsyncSession, service: CommissionedService, clusters: Collection[UUID], day: date) -> None:
    for cluster in clusters:
        session.add(ServiceCluster(area_id=service.area_id, service_id=service.id, cluster_id=cluster, valid_from=day))


async def _replace(session: AsyncSession, service: CommissionedService, wanted: Collection[UUID]) -> None:
    day, present = today(), await _purchases(session, service)
    for row in present:
        if row.cluster_id not in wanted:
            if row.valid_from and row.valid_from >= day:
                raise StateConflict("A cluster that you leave out buys this service only from today; end it tomorrow.")
            row.valid_to = day
    _begin(session, service, set(wanted) - {row.cluster_id for row in present}, day)


async def _purchases(session: AsyncSession, service: CommissionedService) -> Sequence[ServiceCluster]:
    """The purchases of a service that hold today or will, locked."""
    found = await session.scalars(
        select(ServiceCluster)
        .where(
            col(ServiceCluster.area_id) == service.area_id,
            col(ServiceCluster.service_id) == service.id,
            col(ServiceCluster.valid_to).is_(None) | (col(ServiceCluster.valid_to) > today()),
        )
        .order_by(col(ServiceCluster.id))
        .with_for_update(key_share=True)
    )
    return found.all()


async def _lock_open_clusters(session: AsyncSession, area: UUID) -> Collection[UUID]:
    found = await session.scalars(
        select(col(Cluster.id))
        .where(col(Cluster.area_id) == area, col(Cluster.valid_to).is_(None))
        .order_by(col(Cluster.id))
        .with_for_update(key_share=True)
    )
    return found.all()


async def _provider(
    session: AsyncSession, principal: Principal, area: UUID | None, key: str | None, errors: FieldErrors
) -> UUID | None:
    if key is None:
        return None
    found = await resolve_reference(await driver_connection(session), principal, PROVIDERS, key)
    if found is None or found[0] != area:
        errors.unknown("/provider", "provider")
        return None
    return found[1]


def _buyers(clusters: Sequence[Cluster | None], area: UUID | None, errors: FieldErrors) -> Collection[UUID]:
    """Collect the clusters that are to buy a service, with a fault for each that cannot."""
    for at, cluster in enumerate(clusters):
        if cluster is None or cluster.area_id != area:
            errors.unknown(f"/clusters/{at}", "cluster")
        elif cluster.valid_to is not None:
            errors.add(f"/clusters/{at}", "ended", "This cluster is no more, or soon will be: name its successors.")
    return {cluster.id for cluster in clusters if cluster}
