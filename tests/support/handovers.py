"""Handovers, as the schools of a pupil who moved make them."""

from typing import Any

import httpx2
from support.api_client import Service, pupil_referral
from support.pending_work import do_all

HANDOVERS, REQUESTS = "/v1/handovers", "/v1/handover-requests"
URNS = {"school": "900001", "neighbour": "900002", "far_school": "900003"}
Record = dict[str, Any]


async def refer(service: Service, code: str = "SLT", by: str = "school", /, **pupil: Any) -> Record:
    """Refer a pupil, and return the referral."""
    made = await service.as_(by).post("/v1/referrals", pupil_referral(code, URNS[by], **pupil))
    assert made.status_code == 201, made.text
    found: Record = made.json()
    return found


def body_of(by: str = "neighbour", /, *, answers: Any = None, **pupil: Any) -> Record:
    """Return the body of a handover of the pupil of `pupil_referral`."""
    stated = pupil_referral("SLT", **pupil)["subject"]["pupil"]
    return {"school_urn": URNS[by], "pupil": stated} | (answers or {})


async def ask(service: Service, by: str = "neighbour", /, **how: Any) -> httpx2.Response:
    """Ask for a pupil who came to a school."""
    return await service.as_(by).post(HANDOVERS, body_of(by, **how))


async def asked(service: Service, by: str = "neighbour", /, **how: Any) -> Record:
    """Ask, let the worker find whose pupil it is, and return the handover."""
    answer = await ask(service, by, **how)
    assert answer.status_code == 201, answer.text
    await do_all(service)
    found: Record = answer.json()
    return found


async def requests(service: Service, of: str = "school", **filters: str) -> list[Record]:
    """Return the requests that a school, or the commissioner, sees after all pending work."""
    await do_all(service)
    answer = await service.as_(of).get(REQUESTS, **filters)
    assert answer.status_code == 200, answer.text
    found: list[Record] = answer.json()["data"]
    return found


async def decide(
    service: Service,
    request: Record,
    decision: str = "complete",
    by: str = "school",
    *,
    etag: str | None = None,
    **more: Any,
) -> httpx2.Response:
    """Decide about a request as it is now, or of the version that is given."""
    etag = etag or (await service.as_(by).get(f"{REQUESTS}/{request['id']}")).headers["ETag"]
    return await service.as_(by).post(
        f"{HANDOVERS}/{request['id']}/decisions", {"decision": decision, **more}, etag=etag
    )


async def completed(service: Service, by: str = "neighbour", of: str = "school", **how: Any) -> Record:
    """Ask for a pupil and complete it; return the handover as the asking school then sees it."""
    handover = await asked(service, by, **how)
    (request,) = await requests(service, of, status="open")
    answer = await decide(service, request, by=of)
    assert answer.status_code == 201, answer.text
    return await seen(service, f"{HANDOVERS}/{handover['id']}", by)


async def seen(service: Service, path: str, by: str) -> Record:
    """Return a record as somebody sees it."""
    answer = await service.as_(by).get(path)
    assert answer.status_code == 200, answer.text
    found: Record = answer.json()
    return found


async def withdraw(service: Service, handover: Record, by: str = "neighbour") -> httpx2.Response:
    """Take back what was asked."""
    path = f"{HANDOVERS}/{handover['id']}"
    etag = (await service.as_(by).get(path)).headers["ETag"]
    return await service.as_(by).post(f"{path}/transitions", {"to": "withdrawn"}, etag=etag)
