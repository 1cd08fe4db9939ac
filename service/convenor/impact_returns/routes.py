"""Impact returns over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.impact_returns import rules
from convenor.impact_returns.resource import IMPACT_RETURNS, RETURN_TRANSITIONS, ImpactReturnRead
from convenor.impact_returns.schemas import ImpactReturnCreate, ImpactReturnUpdate, ReturnTransitionCreate
from convenor.problems import IllegalTransition

PATH = "/v1/impact-returns"

router = ResourceRouter(
    Tag("impact returns", "What providers report against their SLAs. Each return is checked when it arrives.")
)
router.add_list(PATH, IMPACT_RETURNS)
router.add_record(f"{PATH}/{{return_id}}", IMPACT_RETURNS)
router.add_sublist(f"{PATH}/{{return_id}}/transitions", IMPACT_RETURNS, "transitions", RETURN_TRANSITIONS)


@router.post(PATH, status_code=201, response_model=ImpactReturnRead)
async def submit_return(
    data: ImpactReturnCreate,
    write: Annotated[WriteContext, writes("impact_returns:write", "impact_returns:submit", creates=True)],
) -> Response:
    """Submit an impact return for a period of an SLA. Returns it with its checks. For the SLA's provider."""
    report = await rules.submit_return(write.session, write.principal, data)
    return await write.created(IMPACT_RETURNS, report.id, PATH)


@router.patch(f"{PATH}/{{return_id}}", response_model=ImpactReturnRead)
async def update_return(
    return_id: str,
    data: ImpactReturnUpdate,
    write: Annotated[WriteContext, writes("impact_returns:write", "impact_returns:update", changes=True)],
) -> Response:
    """Update a return that was sent back. For the provider; a transition to `submitted` submits it again."""
    report = await rules.load_return(write.session, write.principal, return_id)
    return await write.update(IMPACT_RETURNS, report, data, rules.update_return)


@router.post(f"{PATH}/{{return_id}}/transitions", status_code=201, response_model=ImpactReturnRead)
async def transition_return(
    return_id: str,
    data: ReturnTransitionCreate,
    write: Annotated[
        WriteContext,
        writes(
            "impact_returns:write", "impact_returns:transition", changes=True, keyed=True, problems=[IllegalTransition]
        ),
    ],
) -> Response:
    """Validate, accept, send back or resubmit a return. Returns it in its new state."""
    report = await rules.load_return(write.session, write.principal, return_id)
    return await write.update(IMPACT_RETURNS, report, data, rules.transition_return, status=201)


FEATURE = Feature(router, partner_writes=True)
