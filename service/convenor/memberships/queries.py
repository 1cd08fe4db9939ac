"""The queries of the rules of memberships."""

from collections.abc import Sequence
from datetime import date
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from convenor.clusters.models import Cluster, ClusterMembership, ClusterRole
from convenor.commissioned_services.models import CommissionedService, ServiceCluster
from convenor.read_model.locking import Key, Lock, lock_all
from convenor.schools.models import School

Dated = TypeVar("Dated", ClusterMembership, ClusterRole, ServiceCluster)


async def overlapping(session: AsyncSession, wanted: ClusterMembership) -> tuple[str, ClusterMembership] | None:
    """Find another membership of the same school that overlaps `wanted`, with the code of its cluster."""
    found = await session.execute(
        select(col(Cluster.code), ClusterMembership)
        .join(
            Cluster,
            (col(Cluster.area_id) == ClusterMembership.area_id) & (col(Cluster.id) == ClusterMembership.cluster_id),
        )
        .where(
            col(ClusterMembership.area_id) == wanted.area_id,
            col(ClusterMembership.school_id) == wanted.school_id,
            col(ClusterMembership.id) != wanted.id,
            _ends_after(ClusterMembership, wanted.valid_from),
            _starts_before(ClusterMembership, wanted.valid_to),
        )
        .limit(1)
    )
    row = found.first()
    return (row[0], row[1]) if row else None


async def holding(session: AsyncSession, model: type[Dated], cluster: Cluster, on: date) -> Sequence[Dated]:
    """Load the dated rows of a cluster that hold on a day or later, and lock them."""
    found = await session.scalars(
        select(model)
        .where(
            col(model.area_id) == cluster.area_id,
            col(model.cluster_id) == cluster.id,
            _ends_after(model, on),
        )
        .order_by(col(model.id))
        .with_for_update(key_share=True)
    )
    return found.all()


async def memberships_of(session: AsyncSession, school: School, on: date) -> Sequence[ClusterMembership]:
    """Load the memberships of a school that hold on a day or later, and lock them."""
    found = await session.scalars(
        select(ClusterMembership)
        .where(
            col(ClusterMembership.area_id) == school.area_id,
            col(ClusterMembership.school_id) == school.id,
            _ends_after(ClusterMembership, on),
        )
        .order_by(col(ClusterMembership.id))
        .with_for_update(key_share=True)
    )
    return found.all()


async def lock_services(session: AsyncSession, clusters: Sequence[Cluster], on: date) -> None:
    """Lock the services that these clusters buy on a day or later, so that nobody else changes the purchases."""
    services = await _ids_under(session, col(ServiceCluster.service_id), ServiceCluster, clusters, on)
    await lock_all(session, CommissionedService, services, Lock.KEEP)


async def lock_members(session: AsyncSession, clusters: Sequence[Cluster], on: date) -> None:
    """Lock the schools that are in these clusters on a day or later.

    The clusters are locked, so that no school joins. But while this waits for a school, the school's conversion may
    replace it by its successor.
    """
    locked: set[Key] = set()
    while new := await _ids_under(session, col(ClusterMembership.school_id), ClusterMembership, clusters, on) - locked:
        await lock_all(session, School, new)
        locked |= new


async def _ids_under(
    session: AsyncSession, reference: Mapped[UUID], model: type[Dated], clusters: Sequence[Cluster], on: date
) -> set[Key]:
    """Collect the rows that the dated rows of clusters refer to, of those that hold on a day or later."""
    area = clusters[0].area_id
    found = await session.scalars(
        select(reference).where(
            col(model.area_id) == area,
            col(model.cluster_id).in_([cluster.id for cluster in clusters]),
            _ends_after(model, on),
        )
    )
    return {(area, key) for key in found}


def _ends_after(model: type[Dated], day: date | None) -> ColumnElement[bool]:
    no_end = col(model.valid_to).is_(None)
    return no_end | (col(model.valid_to) > day) if day else true()


def _starts_before(model: type[Dated], day: date | None) -> ColumnElement[bool]:
    no_start = col(model.valid_from).is_(None)
    return no_start | (col(model.valid_from) < day) if day else true()
