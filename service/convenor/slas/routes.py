"""SLAs over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.problems import IllegalTransition
from convenor.read_model.locking import get_for_update
from convenor.slas import rules
from convenor.slas.models import Sla
from convenor.slas.resource import SLA_TRANSITIONS, SLAS, SlaRead
from convenor.slas.schemas import SlaCreate, SlaTransitionCreate, SlaUpdate

router = ResourceRouter(
    Tag("slas", "Service level agreements: volumes, price, KPIs with targets, and the returns that are due.")
)
router.add_list("/v1/slas", SLAS)
router.add_record("/v1/slas/{sla_id}", SLAS)
router.add_sublist("/v1/slas/{sla_id}/transitions", SLAS, "transitions", SLA_TRANSITIONS)


@router.post("/v1/slas", status_code=201, response_model=SlaRead)
async def create_sla(
    data: SlaCreate, write: Annotated[WriteContext, writes("slas:write", "slas:create", creates=True)]
) -> Response:
    """Create a draft SLA for a service with its provider."""
    sla = await rules.create_sla(write.session, write.principal, data)
    return await write.created(SLAS, sla.id)


@router.patch("/v1/slas/{sla_id}", response_model=SlaRead)
async def update_sla(
    sla_id: str,
    data: SlaUpdate,
    write: Annotated[WriteContext, writes("slas:write", "slas:update", changes=True)],
) -> Response:
    """Update a draft SLA. Once it is agreed, start a new version of its terms from a date."""
    sla = await rules.load_sla(write.session, write.principal, sla_id, data)
    return await write.update(SLAS, sla, data, rules.update_sla)


@router.post("/v1/slas/{sla_id}/transitions", status_code=201, response_model=SlaRead)
async def transition_sla(
    sla_id: str,
    data: SlaTransitionCreate,
    write: Annotated[
        WriteContext, writes("slas:write", "slas:transition", changes=True, keyed=True, problems=[IllegalTransition])
    ],
) -> Response:
    """Move an SLA to its next state: draft, agreed, active, ended. Returns it in its new state."""
    sla = await get_for_update(write.session, write.principal, SLAS, Sla, sla_id)
    return await write.update(SLAS, sla, data, rules.transition_sla, status=201)


FEATURE = Feature(router)
