"""Continue referrals of a pupil who moved in new records of the new school, and end those of the old one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.database.ids import record_code
from convenor.domain_types.dates import now
from convenor.pathways.models import Actor
from convenor.pupils.models import PupilStatement
from convenor.referrals.matching import settle_collision, take_continued
from convenor.referrals.models import HANDED_OVER, Referral, SubjectKind
from convenor.referrals.queries import Known
from convenor.referrals.steps import Sender, record_step, stop_return_clock

CONTINUED = (
    *("pathway", "pathway_version", "service_id", "provider_id", "cluster_id", "need", "priority", "status"),
    *("submitted_at", "started_at", "returned_at", "returned_seconds"),
)
"""What a referral keeps when another school's continues it. Free text and consent are the earlier school's own."""


def draft_continuing(earlier: Referral, school: UUID, reason: str, at: datetime) -> Referral:
    """Make the row of a referral that continues another school's, without its pupil."""
    columns = {name: getattr(earlier, name) for name in CONTINUED} | {
        "area_id": earlier.area_id,
        "code": record_code("R"),
        "school_id": school,
        "subject_kind": SubjectKind.PUPIL,
        "reason": reason,
        "continues_id": earlier.id,
        "continued_at": at,
    }
    return Referral(**columns)


async def store_continuing(
    session: AsyncSession, sender: Sender, schools: Sequence[UUID], news: Sequence[tuple[Referral, PupilStatement]]
) -> list[Referral]:
    """Store referrals that continue others, with what their school states of the pupil.

    Args:
        session: in the caller's transaction, which holds the lock on the schools' pupils.
        sender: of the new school. Its history begins here, and does not tell whose the referral was before.
        schools: the line of the new school, see `line_of`.
        news: the referrals with their statements; not stored yet.

    Returns:
        The other referrals that changed.

    Raises:
        Contradiction: see `take_continued`.
    """
    others = await take_continued(session, schools, [Known(statement, referral) for referral, statement in news])
    session.add_all(referral for referral, _ in news)
    await session.flush()
    session.add_all(statement for _, statement in news)
    for referral, _ in news:
        record_step(session, sender, referral, None, Actor.NOBODY)
    await session.flush()
    return others


async def end_handed_over(
    session: AsyncSession, sender: Sender, referrals: Sequence[Referral], actor: Actor
) -> list[Referral]:
    """End referrals that others continue. No version of a pathway has this step.

    Args:
        session: in the caller's transaction.
        sender: who completes the handover.
        referrals: open, and locked.
        actor: as whom.

    Returns:
        The other referrals that changed.
    """
    at = now()
    for referral in referrals:
        from_status = referral.status
        stop_return_clock(referral, at)
        referral.status, referral.ended_at, referral.version = HANDED_OVER, at, referral.version + 1
        record_step(session, sender, referral, from_status, actor)
    await session.flush()
    released: dict[UUID, Referral] = {}
    for referral in referrals:
        if referral.collides_with:
            released |= {each.id: each for each in await settle_collision(session, referral)}
    return list(released.values())
