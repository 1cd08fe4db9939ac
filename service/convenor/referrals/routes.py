"""Referrals over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.problems import IllegalTransition
from convenor.read_model.locking import get_for_update
from convenor.referrals import nhs_numbers, rules
from convenor.referrals.models import Referral
from convenor.referrals.refusals import AlreadyOpen, Contradiction, SameNameAndBirthDate
from convenor.referrals.resource import REFERRALS, TRANSITIONS, ReferralRead
from convenor.referrals.schemas import NhsNumberUpdate, ReferralCreate, ReferralUpdate, TransitionCreate

router = ResourceRouter(
    Tag("referrals", "Referrals of a pupil, a group or a school to a service, with every step along the pathway.")
)
router.add_list("/v1/referrals", REFERRALS)
router.add_search("/v1/referrals/search", REFERRALS)
router.add_record("/v1/referrals/{referral_id}", REFERRALS)
router.add_sublist("/v1/referrals/{referral_id}/transitions", REFERRALS, "transitions", TRANSITIONS)


@router.post("/v1/referrals", status_code=201, response_model=ReferralRead)
async def submit_referral(
    data: ReferralCreate,
    write: Annotated[
        WriteContext,
        writes("referrals:write", "referrals:submit", creates=True, problems=[AlreadyOpen, SameNameAndBirthDate]),
    ],
) -> Response:
    """Refer a pupil, a group or a school to a service that the school's cluster buys."""
    try:
        referral, others = await rules.submit_referral(write.session, write.principal, data)
    except (AlreadyOpen, Contradiction, SameNameAndBirthDate) as problem:  # the refusal itself is about the pupil
        statements = [known.statement for known in problem.known]
        write.concerns(areas=[statements[0].area_id], subjects=[statement.id for statement in statements])
        raise
    return await write.created(REFERRALS, referral.id, others=others)


@router.patch("/v1/referrals/{referral_id}", response_model=ReferralRead)
async def update_referral(
    referral_id: str,
    data: ReferralUpdate,
    write: Annotated[
        WriteContext, writes("referrals:write", "referrals:update", changes=True, problems=[SameNameAndBirthDate])
    ],
) -> Response:
    """Update a referral until the service accepts it, and the pupil's details at any time. For the referrer."""
    await rules.lock_for_correction(write.session, write.principal, referral_id, data)
    referral = await get_for_update(write.session, write.principal, REFERRALS, Referral, referral_id)
    try:
        return await write.update(REFERRALS, referral, data, rules.update_referral)
    except (Contradiction, SameNameAndBirthDate) as problem:  # the refusal tells of the other pupils too
        others = [known.statement.id for known in problem.known]
        write.concerns(records=[referral.id], areas=[referral.area_id], subjects=[*write.record.subjects, *others])
        raise


@router.put("/v1/referrals/{referral_id}/nhs-number", response_model=ReferralRead)
async def state_nhs_number(
    referral_id: str,
    data: NhsNumberUpdate,
    write: Annotated[WriteContext, writes("referrals:write", "referrals:state_nhs_number", changes=True)],
) -> Response:
    """State, correct or withdraw the NHS number that your health service traced. No school sees it."""
    referral = await get_for_update(write.session, write.principal, REFERRALS, Referral, referral_id)
    return await write.update(REFERRALS, referral, data, nhs_numbers.state_nhs_number)


@router.post("/v1/referrals/{referral_id}/transitions", status_code=201, response_model=ReferralRead)
async def transition_referral(
    referral_id: str,
    data: TransitionCreate,
    write: Annotated[
        WriteContext,
        writes("referrals:write", "referrals:transition", changes=True, keyed=True, problems=[IllegalTransition]),
    ],
) -> Response:
    """Move a referral one step along its pathway. Returns the referral in its new state."""
    await rules.lock_for_step(write.session, write.principal, referral_id)
    referral = await get_for_update(write.session, write.principal, REFERRALS, Referral, referral_id)
    return await write.update(REFERRALS, referral, data, rules.transition_referral, status=201)


FEATURE = Feature(router, partner_writes=True)
