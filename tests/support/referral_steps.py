"""What a service does with a referral, call by call: the steps that tests about contacts and outcomes start from."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx2
from support.api_client import Caller, Service, pupil_referral

from convenor.domain_types.dates import today

ACCEPTED = ("accepted",)
WAITING = ("accepted", "waiting")
PAUSED = ("accepted", "waiting", "paused")


async def referred(
    service: Service, *steps: str, code: str = "SLT", days_ago: int = 30, **pupil: Any
) -> dict[str, Any]:
    """Refer to a service as the school, some days ago, and take the referral through these steps as the trust."""
    made = await service.as_("school").post("/v1/referrals", pupil_referral(code, **pupil))
    assert made.status_code == 201, made.text
    referral: dict[str, Any] = made.json()
    admin = await asyncpg.connect(service.superuser_url)
    # Shifted as people in London count days, whatever the clocks did meanwhile.
    await admin.execute(
        "update referral set submitted_at = ((submitted_at at time zone 'Europe/London') - make_interval(days => $1))"
        " at time zone 'Europe/London' where code = $2",
        days_ago,
        referral["code"],
    )
    await admin.close()
    for step in steps:
        await moved(service.as_("trust"), referral["code"], step)
    return referral


async def moved(caller: Caller, code: str, to: str) -> None:
    """Make one step."""
    path = f"/v1/referrals/{code}"
    etag = (await caller.get(path)).headers["ETag"]
    answer = await caller.post(f"{path}/transitions", {"to": to, "reason": "As agreed."}, etag=etag)
    assert answer.status_code == 201, answer.text


def day(days_ago: int) -> str:
    """Return a day before today in Europe/London, as it is written."""
    then: date = today() - timedelta(days=days_ago)
    return then.isoformat()


def session(days_ago: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a well-formed contact."""
    return {
        "on": day(days_ago),
        "mode": "face_to_face",
        "setting": "school",
        "duration_minutes": 45,
        "attendance": "attended",
        "staff_role": "speech_and_language_therapist",
        "group_size": 1,
    } | fields


def line(referral: dict[str, Any], reference: str, days_ago: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a well-formed line of a bulk load of contacts."""
    return session(days_ago, **fields) | {"referral_code": referral["code"], "reference": reference}


async def load(caller: Caller, lines: Iterable[Any] | bytes, **params: Any) -> httpx2.Response:
    """Send a bulk load of contacts."""
    content = lines if isinstance(lines, bytes) else "".join(json.dumps(line) + "\n" for line in lines).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    return await caller.call("POST", "/v1/bulk/contacts", content=content, headers=headers, params=params or None)


def results(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the results of a load, a line each."""
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def outcomes(answer: httpx2.Response) -> list[str]:
    """Return only what became of each line."""
    return [result["result"] for result in results(answer)]
