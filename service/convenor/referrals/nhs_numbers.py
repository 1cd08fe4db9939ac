"""The rule of the NHS number that a service traces for a referral that it holds."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.domain_types.dates import now
from convenor.problems import StateConflict
from convenor.pupils.models import TracedNumber
from convenor.referrals.models import Referral
from convenor.referrals.rules import require_pupil
from convenor.referrals.schemas import NhsNumberUpdate
from convenor.security.principal import FieldSensitivity, Principal, RowAccess


async def state_nhs_number(
    session: AsyncSession, principal: Principal, referral: Referral, data: NhsNumberUpdate
) -> None:
    """State, correct or withdraw the NHS number that a service traced, apart from what the school states.

    The version of the referral stays, because the school would see that it changes.

    Raises:
        StateConflict: the caller is no health service that holds the referral.
        Invalid: the referral is about no pupil.
    """
    if principal.row_access is not RowAccess.PROVIDER or FieldSensitivity.NHS_NUMBER not in principal.clearances:
        raise StateConflict("Only the health service that holds a referral states the NHS number that it traced.")
    require_pupil(referral, {"nhs_number"})
    earlier = await session.scalar(
        select(TracedNumber).where(
            col(TracedNumber.area_id) == referral.area_id,
            col(TracedNumber.referral_id) == referral.id,
            col(TracedNumber.superseded_at).is_(None),
        )
    )
    if earlier and earlier.nhs_number == data.nhs_number:
        return
    stated_at = now()
    if earlier:
        earlier.superseded_at = stated_at
        await session.flush()
    if data.nhs_number:
        session.add(
            TracedNumber(
                area_id=referral.area_id,
                referral_id=referral.id,
                school_id=referral.school_id,
                provider_id=referral.provider_id,
                organisation_id=principal.organisation_id,
                stated_at=stated_at,
                **data.columns(),
            )
        )
