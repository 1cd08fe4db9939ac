"""Referrals over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
from convenor.problems import IllegalTransition
from convenor.read_model.locking import get_for_update
from convenor.referrals import rules
from convenor.referrals.models import Referral
from convenor.referrals.resource import REFERRALS, TRANSITIONS, ReferralRead
from convenor.referrals.schemas import ReferralCreate, ReferralUpdate, TransitionCreate

router = APIRouter(tags=["referrals"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/referrals", REFERRALS),
    record_route("/v1/referrals/{id}", REFERRALS),
    sublist_route("/v1/referrals/{id}/transitions", REFERRALS, "transitions", TRANSITIONS),
]


@router.post("/v1/referrals", status_code=201, response_model=ReferralRead)
async def submit_referral(
    data: ReferralCreate,
    write: Annotated[
        WriteContext, writes("referrals:write", "referrals:submit", creates=True, problems=[rules.AlreadyOpen])
    ],
) -> Response:
    """Refers a pupil, a group or a school to a service that the school's cluster buys."""
    try:
        referral = await rules.submit_referral(write.session, write.principal, data)
    except rules.AlreadyOpen as problem:  # the refusal itself tells of the pupil
        write.note.areas, write.note.subjects = [problem.area_id], [problem.pupil_id]
        raise
    return await write.created(REFERRALS, referral.id)


@router.patch("/v1/referrals/{id}", response_model=ReferralRead)
async def update_referral(
    id: str,  # noqa: A002 - the name in the path
    data: ReferralUpdate,
    write: Annotated[WriteContext, writes("referrals:write", "referrals:update", changes=True)],
) -> Response:
    """Mends what was stated, until the service accepts. For the referrer."""
    referral = await get_for_update(write.session, write.principal, REFERRALS, Referral, id)
    write.check_version(referral)
    await rules.update_referral(write.session, write.principal, referral, data)
    write.note_changes(data)
    return await write.changed(REFERRALS, referral.id)


@router.post("/v1/referrals/{id}/transitions", status_code=201, response_model=ReferralRead)
async def transition_referral(
    id: str,  # noqa: A002
    data: TransitionCreate,
    write: Annotated[
        WriteContext,
        writes("referrals:write", "referrals:transition", changes=True, keyed=True, problems=[IllegalTransition]),
    ],
) -> Response:
    """Makes one step along the referral's pathway; answers with the referral as it is then."""
    referral = await get_for_update(write.session, write.principal, REFERRALS, Referral, id)
    write.check_version(referral)
    await rules.transition_referral(write.session, write.principal, referral, data)
    write.note_changes(data)
    return await write.changed(REFERRALS, referral.id, status=201)
