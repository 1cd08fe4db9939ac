"""SLAs over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
from convenor.problems import IllegalTransition
from convenor.read_model.locking import get_for_update
from convenor.slas import rules
from convenor.slas.models import Sla
from convenor.slas.resource import SLA_TRANSITIONS, SLAS, SlaRead
from convenor.slas.schemas import SlaCreate, SlaTransitionCreate, SlaUpdate

router = APIRouter(tags=["slas"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/slas", SLAS),
    record_route("/v1/slas/{id}", SLAS),
    sublist_route("/v1/slas/{id}/transitions", SLAS, "transitions", SLA_TRANSITIONS),
]


@router.post("/v1/slas", status_code=201, response_model=SlaRead)
async def create_sla(
    data: SlaCreate, write: Annotated[WriteContext, writes("slas:write", "slas:create", creates=True)]
) -> Response:
    """Drafts an SLA about a service with its provider."""
    sla = await rules.create_sla(write.session, write.principal, data)
    return await write.created(SLAS, sla.id)


@router.patch("/v1/slas/{id}", response_model=SlaRead)
async def update_sla(
    id: str,  # noqa: A002 - the name in the path
    data: SlaUpdate,
    write: Annotated[WriteContext, writes("slas:write", "slas:update", changes=True)],
) -> Response:
    """Edits a draft; once agreed, begins a new version of its terms from a date."""
    sla = await rules.load_sla(write.session, write.principal, id, data)
    write.check_version(sla)
    await rules.update_sla(write.session, write.principal, sla, data)
    write.note_changes(data)
    return await write.changed(SLAS, sla.id)


@router.post("/v1/slas/{id}/transitions", status_code=201, response_model=SlaRead)
async def transition_sla(
    id: str,  # noqa: A002
    data: SlaTransitionCreate,
    write: Annotated[
        WriteContext, writes("slas:write", "slas:transition", changes=True, keyed=True, problems=[IllegalTransition])
    ],
) -> Response:
    """Moves an SLA on: draft, agreed, active, ended; answers with the SLA as it is then."""
    sla = await get_for_update(write.session, write.principal, SLAS, Sla, id)
    write.check_version(sla)
    await rules.transition_sla(write.session, write.principal, sla, data)
    write.note_changes(data)
    return await write.changed(SLAS, sla.id, status=201)
