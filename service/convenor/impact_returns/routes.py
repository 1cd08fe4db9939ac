"""Impact returns over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
from convenor.impact_returns import rules
from convenor.impact_returns.resource import IMPACT_RETURNS, RETURN_TRANSITIONS, ImpactReturnRead
from convenor.impact_returns.schemas import ImpactReturnCreate, ImpactReturnUpdate, ReturnTransitionCreate
from convenor.problems import IllegalTransition

PATH = "/v1/impact-returns"

router = APIRouter(tags=["impact returns"], route_class=GuardedRoute)
read_routes = [
    list_route(PATH, IMPACT_RETURNS),
    record_route(f"{PATH}/{{id}}", IMPACT_RETURNS),
    sublist_route(f"{PATH}/{{id}}/transitions", IMPACT_RETURNS, "transitions", RETURN_TRANSITIONS),
]


@router.post(PATH, status_code=201, response_model=ImpactReturnRead)
async def submit_return(
    data: ImpactReturnCreate,
    write: Annotated[WriteContext, writes("impact_returns:write", "impact_returns:submit", creates=True)],
) -> Response:
    """Reports a period against an SLA; the answer carries the checks. For the SLA's provider."""
    report = await rules.submit_return(write.session, write.principal, data)
    return await write.created(IMPACT_RETURNS, report.id, PATH)


@router.patch(f"{PATH}/{{id}}", response_model=ImpactReturnRead)
async def update_return(
    id: str,  # noqa: A002 - the name in the path
    data: ImpactReturnUpdate,
    write: Annotated[WriteContext, writes("impact_returns:write", "impact_returns:update", changes=True)],
) -> Response:
    """Mends a return that was sent back. For the provider; a transition to `submitted` sends it again."""
    report = await rules.load_return(write.session, write.principal, id)
    write.check_version(report)
    await rules.update_return(write.session, write.principal, report, data)
    write.note_changes(data)
    return await write.changed(IMPACT_RETURNS, report.id)


@router.post(f"{PATH}/{{id}}/transitions", status_code=201, response_model=ImpactReturnRead)
async def transition_return(
    id: str,  # noqa: A002
    data: ReturnTransitionCreate,
    write: Annotated[
        WriteContext,
        writes(
            "impact_returns:write", "impact_returns:transition", changes=True, keyed=True, problems=[IllegalTransition]
        ),
    ],
) -> Response:
    """Validates, accepts or sends back a return, or submits it again; answers with it as it is then."""
    report = await rules.load_return(write.session, write.principal, id)
    write.check_version(report)
    await rules.transition_return(write.session, write.principal, report, data)
    write.note_changes(data)
    return await write.changed(IMPACT_RETURNS, report.id, status=201)
