"""The queries of the rules of handovers."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.database.pending_work import PendingWork
from convenor.domain_types.dates import now
from convenor.handovers.matching import KIND
from convenor.handovers.models import Handover, HandoverRequest, HandoverStatement, HandoverStatus, RequestStatus
from convenor.handovers.resource import STATED_HASHES
from convenor.read_model.sealed_rows import sealer_of
from convenor.referrals.models import Referral


async def asked_before(
    session: AsyncSession, area: UUID, schools: Collection[UUID], numbers: Mapping[str, str]
) -> Handover | None:
    """Find the oldest handover that these schools have asked, still ask, and state one of these numbers with."""
    sealer = sealer_of(session)
    shares = [
        col(getattr(HandoverStatement, f"{name}_hash")) == sealer.hash(STATED_HASHES[name], number)
        for name, number in numbers.items()
    ]
    found = await session.scalars(
        select(Handover)
        .join(
            HandoverStatement,
            (col(HandoverStatement.area_id) == col(Handover.area_id))
            & (col(HandoverStatement.id) == col(Handover.statement_id)),
        )
        .where(
            col(Handover.area_id) == area,
            col(Handover.school_id) == any_(literal(list(schools), ARRAY(Uuid))),
            col(Handover.status) == HandoverStatus.ASKED,
            col(Handover.lapses_at) > now(),
            or_(*shares),
        )
        .order_by(col(Handover.asked_at), col(Handover.id))
        .limit(1)
    )
    return found.first()


async def add_matching(session: AsyncSession, handover: Handover) -> None:
    """Leave it to the worker to find whose pupil a handover is about, or to end the requests of one that is over."""
    await session.execute(
        insert(PendingWork).values(area_id=handover.area_id, kind=KIND, subject_id=handover.id, due_at=now())
    )


async def open_referrals(session: AsyncSession, area: UUID, pupil: UUID) -> Sequence[Referral]:
    """Find the open referrals of a pupil."""
    found = await session.scalars(
        select(Referral)
        .where(col(Referral.area_id) == area, col(Referral.pupil_id) == pupil, col(Referral.ended_at).is_(None))
        .order_by(col(Referral.submitted_at), col(Referral.id))
    )
    return found.all()


async def end_others(session: AsyncSession, request: HandoverRequest) -> None:
    """End the other requests of a handover."""
    await session.execute(
        update(HandoverRequest)
        .where(
            col(HandoverRequest.area_id) == request.area_id,
            col(HandoverRequest.handover_id) == request.handover_id,
            col(HandoverRequest.id) != request.id,
            col(HandoverRequest.status) != RequestStatus.ENDED,
        )
        .values(status=RequestStatus.ENDED, version=col(HandoverRequest.version) + 1)
        .execution_options(synchronize_session=False)
    )
