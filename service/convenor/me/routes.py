"""Who am I, over REST."""

import json
from typing import Annotated

from starlette.responses import Response

from convenor.domain_types.dates import today
from convenor.http.dependencies import ReadContext, reads
from convenor.http.feature import Feature
from convenor.http.middleware.limits import REQUEST_SECONDS
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.me.queries import read_access
from convenor.me.schemas import MeRead
from convenor.read_model.list_query import MAX_LIMIT
from convenor.request_limits import MAX_BODY, MAX_BULK

router = ResourceRouter(Tag("me", "Your own access: role, scopes, row access and data sharing agreement."))


@router.get("/v1/me", response_model=MeRead)
async def read_me(read: Annotated[ReadContext, reads("", "me:read")]) -> Response:
    """Show the caller's own access: role, scopes, row access, agreement, keys and limits."""
    read.refuse_unknown()
    who = read.principal
    found = await read_access(read.readers, who, today())
    me = MeRead.model_validate(
        {
            "client_id": who.client_id,
            "organisation": who.organisation,
            "role": who.role,
            "scopes": sorted(who.scopes),
            "reach": {name: found[name] or [] for name in ("areas", "clusters", "schools", "providers")},
            "agreement": {
                "reference": who.agreement,
                "purpose": who.purpose,
                "purposes": who.purposes,
                "legal_basis": found["legal_basis"],
                "ends_on": who.agreement_ends_on,
            },
            "keys": json.loads(found["keys"]),
            "limits": {
                "body_bytes": MAX_BODY,
                "bulk_bytes": MAX_BULK,
                "page_records": MAX_LIMIT,
                "request_seconds": REQUEST_SECONDS,
            },
        }
    )
    return Response(me.model_dump_json(), media_type="application/json")


FEATURE = Feature(router)
