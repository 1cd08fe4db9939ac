"""What may be recorded of a measured change."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.dates import now
from convenor.outcomes.models import Outcome
from convenor.outcomes.schemas import OutcomeCreate
from convenor.problems import FieldErrors, StateConflict
from convenor.read_model.locking import get_for_update
from convenor.referrals.models import Referral
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Principal

MEASURED = ("accepted", "waiting", "paused", "in_progress", "discharged")
"""The states in which a change may be recorded: once the service has accepted. The later value is often taken after
the work has ended, so discharge closes nothing; a referral that was declined or withdrawn had no work to measure."""


async def add_outcome(session: AsyncSession, principal: Principal, referral_key: str, data: OutcomeCreate) -> Outcome:
    """Records a change that was measured for a referral. The baseline may be older than the referral.

    Raises:
        NotFound: when the caller reaches no such referral.
        StateConflict: before the service has accepted, or after it declined or the referrer withdrew.
        Invalid: when the later value is dated before the baseline.
    """
    referral = await get_for_update(session, principal, REFERRALS, Referral, referral_key)
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
        baseline_on=data.baseline.on,
        baseline_value=data.baseline.value,
        later_on=data.later.on if data.later else None,
        later_value=data.later.value if data.later else None,
        recorded_at=now(),
        **data.model_dump(exclude={"baseline", "later"}),
    )
    session.add(outcome)
    return outcome
