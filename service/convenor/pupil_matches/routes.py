"""Matches of pupils over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.pupil_matches import rules
from convenor.pupil_matches.linking import KIND, relink
from convenor.pupil_matches.models import PupilMatch
from convenor.pupil_matches.resource import PUPIL_DECISIONS, PUPIL_MATCHES, SCOPE, PupilMatchRead
from convenor.pupil_matches.schemas import PupilDecisionCreate
from convenor.read_model.locking import get_for_update

PATH = "/v1/pupil-matches"

router = ResourceRouter(
    Tag(
        "pupil matches", "Which pupils of different schools are one child, and what people decide where numbers differ."
    )
)
router.add_list(PATH, PUPIL_MATCHES)
router.add_record(f"{PATH}/{{match_id}}", PUPIL_MATCHES)
router.add_sublist(f"{PATH}/{{match_id}}/decisions", PUPIL_MATCHES, "decisions", PUPIL_DECISIONS)


@router.post(f"{PATH}/{{match_id}}/decisions", status_code=201, response_model=PupilMatchRead)
async def decide_pupil_match(
    match_id: str,
    data: PupilDecisionCreate,
    write: Annotated[
        WriteContext,
        writes(SCOPE, "pupil_matches:decide", changes=True, keyed=True, problems=[rules.ContradictsDecision]),
    ],
) -> Response:
    """Decide which pupils of a match are one child. Returns the match in its new state. For the commissioner."""
    await rules.link_what_is_pending(write.session, write.principal, match_id)
    match = await get_for_update(write.session, write.principal, PUPIL_MATCHES, PupilMatch, match_id)
    return await write.update(PUPIL_MATCHES, match, data, rules.decide, status=201)


FEATURE = Feature(router, partner_writes=True, tasks={KIND: relink})
