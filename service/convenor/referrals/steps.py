"""What every step of a referral records, whoever makes it."""

from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.dates import now
from convenor.pathways.models import Actor
from convenor.referrals.models import Referral, ReferralTransition
from convenor.referrals.schemas import TransitionCreate


class Sender(Protocol):
    """Who makes a step: a caller, or what keeps who it was."""

    @property
    def client_id(self) -> str:
        """The client."""

    @property
    def organisation(self) -> str:
        """The name of its organisation."""


def stop_return_clock(referral: Referral, at: datetime) -> None:
    """Add the time since a referral was returned, if it is, to the time that it has been."""
    if referral.returned_at:
        referral.returned_seconds += int((at - referral.returned_at).total_seconds())
    referral.returned_at = None


def record_step(
    session: AsyncSession,
    sender: Sender,
    referral: Referral,
    from_status: str | None,
    actor: Actor,
    data: TransitionCreate | None = None,
) -> None:
    """Record who made a step, when and why."""
    step = ReferralTransition(
        area_id=referral.area_id,
        referral_id=referral.id,
        school_id=referral.school_id,
        provider_id=referral.provider_id,
        from_status=from_status,
        to_status=referral.status,
        by=actor,
        client_id=sender.client_id,
        organisation=sender.organisation,
        at=now(),
        **(data.columns() if data else {}),
    )
    session.add(step)
