"""Serve the probes for operators. They need no token and write no audit event.

Source: Kubernetes documentation, "Liveness, Readiness, and Startup Probes".
"""

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from convenor.health.readiness import Readiness
from convenor.http.request_context import RequestContext

RETRY_SECONDS = 2

router = APIRouter(tags=["health"])

_NO_STORE = {"Cache-Control": "no-store"}


class LiveRead(BaseModel):
    """The process is running."""

    status: Literal["live"] = Field(description="Always `live`.")


class ChecksRead(BaseModel):
    """The outcome of each check."""

    database: Literal["ok", "failed"] = Field(description="Whether the database answers within a second.")
    tables: Literal["ok", "failed", "unknown"] = Field(
        description="Whether tables, the application's privileges and row-level security are this version's. "
        "The service's log names what is not."
    )
    audit: Literal["ok", "failed", "unknown"] = Field(
        description="Whether the service can store audit events, without which it answers no request. "
        "A full disk, for example, causes `failed`."
    )
    pending_work: Literal["ok", "late", "unknown"] = Field(
        description="Whether the work that follows changes is done in time. `late` does not make the service unready: "
        "`convenor doctor` says what waits."
    )


class ReadyRead(BaseModel):
    """Whether the service is ready to answer."""

    status: Literal["ready", "not_ready"] = Field(description="`ready` where every check but `pending_work` is `ok`.")
    checks: ChecksRead = Field(description="The checks.")


@router.get("/health/live", operation_id="read_liveness", response_model=LiveRead, openapi_extra={"security": []})
async def read_liveness() -> JSONResponse:
    """Return 200 while the process is running, whatever the state of the database."""
    return JSONResponse({"status": "live"}, headers=_NO_STORE)


@router.get(
    "/health/ready",
    operation_id="read_readiness",
    response_model=ReadyRead,
    responses={
        503: {"model": ReadyRead, "description": "Not ready: `checks` says why. `Retry-After` says when to try again."}
    },
    openapi_extra={"security": []},
)
async def read_readiness(request: Request) -> JSONResponse:
    """Return 200 once the service is ready to answer. The checks may be a second old."""
    checks = await RequestContext.of(request).services.get(Readiness).check()
    if all(outcome == "ok" for check, outcome in checks.items() if check != "pending_work"):
        return JSONResponse({"status": "ready", "checks": checks}, headers=_NO_STORE)
    headers = _NO_STORE | {"Retry-After": str(RETRY_SECONDS)}
    return JSONResponse({"status": "not_ready", "checks": checks}, 503, headers)
