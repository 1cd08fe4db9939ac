"""The queries of the rules of impact returns."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.domain_types.dates import Period
from convenor.impact_returns.models import ImpactReturn, ImpactReturnMeasure, ReturnStatus
from convenor.slas.models import Sla


async def overlapping_returns(session: AsyncSession, sla: Sla, period: Period) -> Sequence[ImpactReturn]:
    """Return the returns of an SLA that share a day with a period, oldest first, without those that were sent back."""
    found = await session.scalars(
        select(ImpactReturn)
        .where(
            col(ImpactReturn.area_id) == sla.area_id,
            col(ImpactReturn.sla_id) == sla.id,
            col(ImpactReturn.status) != ReturnStatus.RETURNED.value,
            col(ImpactReturn.period_from) <= period.last,
            col(ImpactReturn.period_to) >= period.first,
        )
        .order_by(col(ImpactReturn.period_from))
    )
    return found.all()


async def measures_of(session: AsyncSession, report: ImpactReturn) -> Sequence[ImpactReturnMeasure]:
    """Return the measures of a return, in the order of their KPIs."""
    found = await session.scalars(
        select(ImpactReturnMeasure)
        .where(
            col(ImpactReturnMeasure.area_id) == report.area_id,
            col(ImpactReturnMeasure.impact_return_id) == report.id,
        )
        .order_by(col(ImpactReturnMeasure.kpi))
    )
    return found.all()
