"""The rules of outcomes."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.dates import now
from convenor.outcomes.models import Outcome
from convenor.outcomes.schemas import OutcomeCreate
from convenor.problems import FieldErrors, StateConflict
from convenor.read_model.locking import get_for_update
from convenor.referrals.models import HANDED_OVER, Referral
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Principal

MEASURED = ("accepted", "waiting", "paused", "in_progress", "discharged")
"""The states in which an outcome may be recorded: once the service has accepted. The later value is often taken after
the work has ended, so discharged referrals are among them. A declined or withdrawn referral had no work to measure."""


async def add_outcome(session: AsyncSession, principal: Principal, referral_key: str, data: OutcomeCreate) -> Outcome:
    """Record a change that was measured for a referral. The baseline may be older than the referral.

    Raises:
        NotFound: the caller has no access to such a referral.
        StateConflict: the service has not accepted or has declined, the referrer has withdrawn, or the pupil moved.
        Invalid: the later value is dated before the baseline.
    """
    referral = await get_for_update(session, principal, REFERRALS, Referral, referral_key)
    if referral.status == HANDED_OVER:
        raise StateConflict("The pupil moved. Record the outcome at the referral that `continued_by` names.")
    if referral.status not in MEASURED:
        raise StateConflict(
            f"The referral is {referral.status}; outcomes are recorded while it is {', '.join(MEASURED)}."
        )
    errors = FieldErrors()
    if data.later and data.later.on < data.baseline.on:
        errors.add("/later/on", "before_baseline", "The later value is dated before the baseline.")
    errors.raise_if_any()
    outcome = Outcome(
        area_id=referral.area_id,
        referral_id=referral.id,
        school_id=referral.school_id,
        provider_id=referral.provider_id,
        organisation_id=principal.organisation_id,
        recorded_at=now(),
        **data.columns(),
    )
    session.add(outcome)
    return outcome
