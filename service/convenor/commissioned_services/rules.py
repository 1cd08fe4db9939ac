"""The rules of commissioned services: their providers and buyers, and promotion to the core offer."""

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
from convenor.commissioned_services.schemas import PromotionCreate, ServiceCreate, ServiceUpdate
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import today
from convenor.problems import FieldErrors, StateConflict
from convenor.providers.resource import PROVIDERS
from convenor.read_model.execute import resolve_reference, resolve_references
from convenor.read_model.locking import Lock, lock, lock_all, resolve
from convenor.security.principal import Principal


async def create_service(session: AsyncSession, principal: Principal, data: ServiceCreate) -> CommissionedService:
    """Add a service to the offer of an area.

    Raises:
        Invalid: names every reference that is wrong.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    # The other references are resolved within the area.
    errors.raise_if_any()
    assert area
    provider = await _provider(session, principal, area, data.provider, errors)
    clusters = _buyers(await _lock_clusters(session, principal, area, data.clusters or []), errors)
    errors.ends_after(data.valid_from, data.valid_to)
    errors.raise_if_any()
    if data.clusters is None and data.offer is Offer.CORE:
        clusters = await _lock_open_clusters(session, area)
    service = CommissionedService(area_id=area, provider_id=provider, **data.columns())
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
    """Update a service. A new provider takes over its referrals and SLAs (`on update cascade`).

    Args:
        session: in the caller's transaction.
        principal: the caller.
        service: locked, after its clusters.
        data: the changes.
        clusters: those that `data` names, see `load_service`.

    Raises:
        Invalid: names every reference that is wrong.
        StateConflict: a cluster would stop buying a service that it buys only from today.
    """
    errors = FieldErrors()
    provider = await _provider(session, principal, service.area_id, data.provider, errors)
    wanted = _buyers(clusters, errors)
    service.sqlmodel_update(data.columns())
    errors.ends_after(service.valid_from, service.valid_to)
    errors.raise_if_any()
    if data.clusters is not None:
        await _replace(session, service, wanted)
    if provider:
        service.provider_id = provider
    service.version += 1


async def load_service(
    session: AsyncSession, principal: Principal, key: str, data: ServiceUpdate
) -> tuple[CommissionedService, Sequence[Cluster | None]]:
    """Load a service by its id or code, locked after the clusters that `data` names; with these, or None for each.

    Raises:
        NotFound: there is none, or it is outside the caller's area.
    """
    found = await resolve(session, principal, SERVICES, key)
    clusters = await _lock_clusters(session, principal, found[0], data.clusters or [])
    service = await lock(session, CommissionedService, found, Lock.REKEY if data.provider else Lock.CHANGE)
    return service, clusters


async def load_with_clusters(
    session: AsyncSession, principal: Principal, key: str
) -> tuple[CommissionedService, Collection[UUID]]:
    """Load a service by its id or code, locked after the clusters of its area that have no end; with their ids.

    Raises:
        NotFound: there is none, or it is outside the caller's area.
    """
    found = await resolve(session, principal, SERVICES, key)
    clusters = await _lock_open_clusters(session, found[0])
    return await lock(session, CommissionedService, found), clusters


async def promote_service(
    session: AsyncSession,
    _principal: Principal,
    service: CommissionedService,
    data: PromotionCreate,
    clusters: Collection[UUID],
) -> None:
    """Make a local service part of the core offer: every cluster of the area buys it from today.

    Args:
        session: in the caller's transaction.
        service: locked, after its clusters.
        data: the evidence for the promotion.
        clusters: see `load_with_clusters`.

    Raises:
        StateConflict: the service is core already.
    """
    if service.offer == Offer.CORE:
        raise StateConflict("This service is already part of the core offer.")
    service.offer, service.promotion_evidence, service.promoted_on = Offer.CORE, data.evidence, today()
    service.version += 1
    buying = {row.cluster_id for row in await _purchases(session, service)}
    _begin(session, service, set(clusters) - buying, today())


async def _lock_clusters(
    session: AsyncSession, principal: Principal, area: UUID, keys: Sequence[str]
) -> Sequence[Cluster | None]:
    """Load the cluster of each id or code in an area, or None where the caller has access to none.

    They are locked, so that no merger or split misses a purchase that begins at the same time.
    """
    named = await resolve_references(await driver_connection(session), principal, CLUSTERS, keys, area)
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
                raise StateConflict(
                    "A cluster that you leave out buys this service only from today. End its purchase tomorrow."
                )
            row.valid_to = day
    _begin(session, service, set(wanted) - {row.cluster_id for row in present}, day)


async def _purchases(session: AsyncSession, service: CommissionedService) -> Sequence[ServiceCluster]:
    """Load the purchases of a service that hold today or later, and lock them."""
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
    session: AsyncSession, principal: Principal, area: UUID, key: str | None, errors: FieldErrors
) -> UUID | None:
    if key is None:
        return None
    found = await resolve_reference(await driver_connection(session), principal, PROVIDERS, key, area)
    if found is None:
        errors.unknown("/provider", "provider")
        return None
    return found[1]


def _buyers(clusters: Sequence[Cluster | None], errors: FieldErrors) -> Collection[UUID]:
    """Collect the clusters that are to buy a service, and add an error for each that cannot."""
    for at, cluster in enumerate(clusters):
        if cluster is None:
            errors.unknown(f"/clusters/{at}", "cluster")
        elif cluster.valid_to is not None:
            errors.add(f"/clusters/{at}", "ended", "This cluster has ended or is about to end. Name its successors.")
    return {cluster.id for cluster in clusters if cluster}
