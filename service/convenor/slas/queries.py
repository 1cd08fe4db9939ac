"""The queries of the rules of SLAs."""

from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.domain_types.dates import Period, today
from convenor.slas.models import Sla, SlaCluster, SlaKpi, SlaTerms
from convenor.slas.resource import RETURNS_DUE


async def terms_on(session: AsyncSession, sla: Sla, day: date) -> SlaTerms:
    """Return the version of an SLA's terms that holds on a day; before the first version's day, the first."""
    found = await session.scalars(
        select(SlaTerms)
        .where(col(SlaTerms.area_id) == sla.area_id, col(SlaTerms.sla_id) == sla.id)
        .order_by((col(SlaTerms.valid_from) <= day).desc(), func.abs(col(SlaTerms.valid_from) - day))
        .limit(1)
    )
    return found.one()


async def kpis_of(session: AsyncSession, area: UUID, sla: UUID, number: int) -> dict[str, SlaKpi]:
    """Return the KPIs of one version of an SLA by code, in order, without those withdrawn from a draft."""
    found = await session.scalars(
        select(SlaKpi)
        .where(
            col(SlaKpi.area_id) == area,
            col(SlaKpi.sla_id) == sla,
            col(SlaKpi.number) == number,
            col(SlaKpi.withdrawn).is_(False),
        )
        .order_by(col(SlaKpi.kpi))
    )
    return {kpi.kpi: kpi for kpi in found}


async def clusters_of(session: AsyncSession, sla: Sla) -> list[SlaCluster]:
    """Return every cluster that an SLA ever named, including those withdrawn from a draft."""
    found = await session.scalars(
        select(SlaCluster).where(col(SlaCluster.area_id) == sla.area_id, col(SlaCluster.sla_id) == sla.id)
    )
    return list(found)


async def returns_due(session: AsyncSession, sla: Sla) -> list[Period]:
    """Return the periods of an SLA that have ended and are not fully reported, oldest first."""
    due = RETURNS_DUE.replace("{t}", "s").replace("{today}", "cast(:today as date)")
    rows = await session.execute(
        text(
            f"select due.first, due.last from sla s cross join lateral ({due}) due"  # noqa: S608 - our own text
            " where s.area_id = :area and s.id = :sla order by due.first"
        ),
        {"area": sla.area_id, "sla": sla.id, "today": today()},
    )
    return [Period(first, last) for first, last in rows]
