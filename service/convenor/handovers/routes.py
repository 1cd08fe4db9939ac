"""Handovers over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.handovers import rules
from convenor.handovers.matching import KIND, put_requests
from convenor.handovers.models import Handover, HandoverRequest
from convenor.handovers.resource import HANDOVER_REQUESTS, HANDOVERS, HandoverRead, HandoverRequestRead
from convenor.handovers.schemas import HandoverCreate, HandoverDecisionCreate, HandoverTransitionCreate
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.problems import ScopeMissing
from convenor.read_model.locking import get_for_update
from convenor.referrals.refusals import Contradiction, SameNameAndBirthDate

HANDOVERS_PATH, REQUESTS_PATH = "/v1/handovers", "/v1/handover-requests"

router = ResourceRouter(
    Tag("handovers", "Pupils who changed school: their open referrals pass to the new school, and keep their wait.")
)
router.add_list(HANDOVERS_PATH, HANDOVERS)
router.add_record(f"{HANDOVERS_PATH}/{{handover_id}}", HANDOVERS)
router.add_list(REQUESTS_PATH, HANDOVER_REQUESTS)
router.add_record(f"{REQUESTS_PATH}/{{request_id}}", HANDOVER_REQUESTS)


@router.post(HANDOVERS_PATH, status_code=201, response_model=HandoverRead)
async def ask_handover(
    data: HandoverCreate,
    write: Annotated[
        WriteContext,
        writes("referrals:write", "handovers:ask", creates=True, problems=[rules.AlreadyAsked, SameNameAndBirthDate]),
    ],
) -> Response:
    """Ask for the open referrals of a pupil who came to your school. No answer tells whether a school knows the pupil,
    until one completes the handover."""
    try:
        handover = await rules.ask_handover(write.session, write.principal, data)
    except (Contradiction, SameNameAndBirthDate) as problem:  # the refusal itself is about the pupil
        statements = [known.statement for known in problem.known]
        write.concerns(areas=[statements[0].area_id], subjects=[statement.id for statement in statements])
        raise
    except rules.AlreadyAsked as problem:
        asked = problem.asked
        write.concerns(records=[asked.id], areas=[asked.area_id], subjects=[asked.statement_id])
        raise
    return await write.created(HANDOVERS, handover.id)


@router.post(f"{HANDOVERS_PATH}/{{handover_id}}/transitions", status_code=201, response_model=HandoverRead)
async def withdraw_handover(
    handover_id: str,
    data: HandoverTransitionCreate,
    write: Annotated[WriteContext, writes("referrals:write", "handovers:withdraw", changes=True, keyed=True)],
) -> Response:
    """Withdraw a handover that your school asked. Returns it in its new state."""
    handover = await get_for_update(write.session, write.principal, HANDOVERS, Handover, handover_id)
    return await write.update(HANDOVERS, handover, data, rules.withdraw_handover, status=201)


@router.post(f"{HANDOVERS_PATH}/{{request_id}}/decisions", status_code=201, response_model=HandoverRequestRead)
async def decide_handover(
    request_id: str,
    data: HandoverDecisionCreate,
    write: Annotated[
        WriteContext,
        writes("handovers:decide", "handovers:decide", changes=True, keyed=True, problems=[ScopeMissing]),
    ],
) -> Response:
    """Complete a handover or refuse it, named by its code or the id of the request. For the school that is asked, and
    for a commissioner with `pupils:identify`."""
    await rules.lock_for_decision(write.session, write.principal, request_id)
    request = await get_for_update(write.session, write.principal, HANDOVER_REQUESTS, HandoverRequest, request_id)
    return await write.update(HANDOVER_REQUESTS, request, data, rules.decide, status=201)


FEATURE = Feature(router, partner_writes=True, tasks={KIND: put_requests})
