"""SLAs over REST."""

from fastapi import APIRouter
from starlette.responses import Response

from convenor.kit.errors import IllegalTransition
from convenor.kit.locking import load_locked
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.reads import list_route, record_route, sublist_route
from convenor.kit.web.writes import Write, Writing
from convenor.slas import rules
from convenor.slas.models import Sla
from convenor.slas.resource import SLA_TRANSITIONS, SLAS, SlaRead
from convenor.slas.schemas import SlaCreate, SlaTransitionCreate, SlaUpdate

router = APIRouter(tags=["slas"], route_class=GuardedRoute)
reads = [
    list_route("/v1/slas", SLAS),
    record_route("/v1/slas/{id}", SLAS),
    sublist_route("/v1/slas/{id}/transitions", SLAS, "transitions", SLA_TRANSITIONS),
]


@router.post("/v1/slas", status_code=201, response_model=SlaRead)
async def create_sla(data: SlaCreate, write: Write = Writing("slas:write", "slas:create", creates=True)) -> Response:
    """Drafts an SLA about a service with its provider."""
    sla = await rules.create_sla(write.session, write.principal, data)
    return await write.created(SLAS, sla.id)


@router.patch("/v1/slas/{id}", response_model=SlaRead)
async def update_sla(
    id: str,  # noqa: A002 - the name in the path
    data: SlaUpdate,
    write: Write = Writing("slas:write", "slas:update", changes=True),
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
    write: Write = Writing("slas:write", "slas:transition", changes=True, keyed=True, problems=[IllegalTransition]),
) -> Response:
    """Moves an SLA on: draft, agreed, active, ended; answers with the SLA as it is then."""
    sla = await load_locked(write.session, write.principal, SLAS, Sla, id)
    write.check_version(sla)
    await rules.transition_sla(write.session, write.principal, sla, data)
    write.note_changes(data)
    return await write.changed(SLAS, sla.id, status=201)
