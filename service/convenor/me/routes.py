"""Who am I, over REST."""

import json

from fastapi import APIRouter
from starlette.responses import Response

from convenor.kit.calendar import today
from convenor.kit.reading.query import MAX_LIMIT
from convenor.kit.web.asking import Asked, Asking
from convenor.kit.web.bodies import GuardedRoute
from convenor.kit.web.edge import MAX_BODY, MAX_BULK, REQUEST_SECONDS
from convenor.kit.web.reads import ReadRoute
from convenor.me.queries import standing_of
from convenor.me.schemas import MeRead

router = APIRouter(tags=["me"], route_class=GuardedRoute)
reads: list[ReadRoute] = []


@router.get("/v1/me", response_model=MeRead)
async def read_me(asked: Asked = Asking("", "me:read")) -> Response:
    """Who this token's client is to the service: role, scopes, reach, agreement, keys and limits."""
    asked.refuse_unknown()
    who = asked.principal
    standing = await standing_of(asked.readers, who, today())
    me = MeRead.model_validate(
        {
            "client_id": who.client_id,
            "organisation": who.organisation,
            "role": who.role,
            "scopes": sorted(who.scopes),
            "reach": {name: standing[name] or [] for name in ("areas", "clusters", "schools", "providers")},
            "agreement": {
                "reference": who.agreement,
                "purpose": who.purpose,
                "legal_basis": standing["legal_basis"],
                "ends_on": who.agreement_ends_on,
            },
            "keys": json.loads(standing["keys"]),
            "limits": {
                "body_bytes": MAX_BODY,
                "bulk_bytes": MAX_BULK,
                "page_records": MAX_LIMIT,
                "request_seconds": REQUEST_SECONDS,
            },
        }
    )
    return Response(me.model_dump_json(), media_type="application/json")
