"""Outcomes over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
from convenor.outcomes import rules
from convenor.outcomes.resource import OUTCOMES, OutcomeRead
from convenor.outcomes.schemas import OutcomeCreate
from convenor.referrals.resource import REFERRALS

router = APIRouter(tags=["outcomes"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/outcomes", OUTCOMES),
    record_route("/v1/outcomes/{id}", OUTCOMES),
    sublist_route("/v1/referrals/{id}/outcomes", REFERRALS, "outcomes", OUTCOMES),
]


@router.post("/v1/referrals/{id}/outcomes", status_code=201, response_model=OutcomeRead)
async def add_outcome(
    id: str,  # noqa: A002 - the name in the path
    data: OutcomeCreate,
    write: Annotated[WriteContext, writes("outcomes:write", "outcomes:record", creates=True)],
) -> Response:
    """Records a change that was measured for a referral."""
    outcome = await rules.add_outcome(write.session, write.principal, id, data)
    return await write.created(OUTCOMES, outcome.id)
