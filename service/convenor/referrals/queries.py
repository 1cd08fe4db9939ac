"""The queries of the rules of referrals."""

from datetime import date
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.clusters.models import ClusterMembership
from convenor.commissioned_services.models import ServiceCluster
from convenor.database.constraints import valid_on
from convenor.domain_types.dates import today
from convenor.referrals.models import Referral


async def cluster_of(session: AsyncSession, area: UUID, school: UUID) -> UUID | None:
    """Return the cluster that a school is in today."""
    found = await session.scalars(
        select(col(ClusterMembership.cluster_id)).where(
            col(ClusterMembership.area_id) == area,
            col(ClusterMembership.school_id) == school,
            text(valid_on("cluster_membership", ":day")).bindparams(day=today()),
        )
    )
    return found.first()


async def buys(session: AsyncSession, area: UUID, cluster: UUID, service: UUID) -> bool:
    """Tell whether a cluster buys a service today."""
    day = today()
    bought = await session.scalars(
        select(col(ServiceCluster.id)).where(
            col(ServiceCluster.area_id) == area,
            col(ServiceCluster.service_id) == service,
            col(ServiceCluster.cluster_id) == cluster,
            text(valid_on("service_cluster", ":day")).bindparams(day=day),
        )
    )
    return bought.first() is not None


async def lock_identity(session: AsyncSession, area: UUID, upn: str | None, nhs_number: str | None) -> None:
    """Lock the numbers of a pupil until the transaction ends, always in one order, so that nobody else links them."""
    for number in sorted(filter(None, (upn, nhs_number))):
        await session.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:number, 0))"), {"number": f"{area}/{number}"}
        )


async def match_pupil(
    session: AsyncSession, area: UUID, upn: str | None, nhs_number: str | None, born_on: date
) -> UUID | None:
    """Find the pupil of a UPN, or of an NHS number with the date of birth, whichever school stated them before."""
    found: UUID | None = await session.scalar(
        text("select pupil_id from match_pupil(:area, :upn, :nhs_number, :born_on)"),
        {"area": area, "upn": upn, "nhs_number": nhs_number, "born_on": born_on},
    )
    return found


async def open_referral(session: AsyncSession, area: UUID, service: UUID, pupil: UUID) -> str | None:
    """Find the code of a pupil's open referral to a service, if the caller may see it."""
    found: str | None = await session.scalar(
        select(col(Referral.code)).where(
            col(Referral.area_id) == area,
            col(Referral.service_id) == service,
            col(Referral.pupil_id) == pupil,
            col(Referral.ended_at).is_(None),
        )
    )
    return found
