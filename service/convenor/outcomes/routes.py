"""Outcomes over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.outcomes import rules
from convenor.outcomes.resource import OUTCOMES, OutcomeRead
from convenor.outcomes.schemas import OutcomeCreate
from convenor.referrals.resource import REFERRALS

router = ResourceRouter(Tag("outcomes", "Measured change: the instrument, the baseline and the later value."))
router.add_list("/v1/outcomes", OUTCOMES)
router.add_record("/v1/outcomes/{outcome_id}", OUTCOMES)
router.add_sublist("/v1/referrals/{referral_id}/outcomes", REFERRALS, "outcomes", OUTCOMES)


@router.post("/v1/referrals/{referral_id}/outcomes", status_code=201, response_model=OutcomeRead)
async def add_outcome(
    referral_id: str,
    data: OutcomeCreate,
    write: Annotated[WriteContext, writes("outcomes:write", "outcomes:record", creates=True)],
) -> Response:
    """Record a measured change for a referral."""
    outcome = await rules.add_outcome(write.session, write.principal, referral_id, data)
    return await write.created(OUTCOMES, outcome.id)


FEATURE = Feature(router, partner_writes=True)
