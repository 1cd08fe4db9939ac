"""Fifty partners' systems at work at once, each remembering what was acknowledged to it."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
from support.api_client import Caller, pupil_referral
from support.dataset import Dataset

from convenor.domain_types.dates import today

SESSION = {
    "mode": "video",
    "setting": "school",
    "duration_minutes": 45,
    "attendance": "attended",
    "staff_role": "assistant",
}
STATES = ["submitted", "accepted", "in_progress"]
"""How a referral goes here, in order."""

_serial = itertools.count(1)


@dataclass
class Work:
    """What fifty partners did: answers by status, and every write that was acknowledged."""

    base_url: str
    dataset: Dataset
    patient: bool = False
    """Whether they repeat what the service was too busy for, when `Retry-After` says so."""
    answers: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    lost_connections: int = 0
    hundred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a hundred referrals have been acknowledged, or nobody works any more."""
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By referral id: its last acknowledged status, and the request id of that write."""

    async def run(self, partners: int, rounds: int) -> None:
        """Let so many partners work at once, each for so many rounds, or until the service is gone."""
        async with httpx2.AsyncClient(base_url=self.base_url, timeout=60) as http:
            trios = [self._trio(http, at) for at in range(partners)]
            for _, *callers in trios:
                await asyncio.gather(*(caller.authorise() for caller in callers))
            await asyncio.gather(*(self._work(*trio, rounds) for trio in trios))
        self.hundred.set()

    def _trio(self, http: httpx2.AsyncClient, at: int) -> tuple[str, Caller, Caller, Caller]:
        """Return a school with its URN, a trust and a commissioner."""
        area = self.dataset.wendshire
        names = (("school", "neighbour", "far_school")[at % 3], "trust", "commissioner")
        school, trust, commissioner = (Caller(http, area.clients[name]) for name in names)
        return list(area.schools)[at % 3], school, trust, commissioner

    async def _work(self, urn: str, school: Caller, trust: Caller, commissioner: Caller, rounds: int) -> None:
        try:
            for _ in range(rounds):
                made = await self._refer(school, urn)
                if made is None:
                    continue
                path = f"/v1/referrals/{made['id']}"
                await self._send(partial(trust.get, path))
                accept = partial(trust.post, f"{path}/transitions", {"to": "accepted"}, etag='"1"')
                if (await self._send(accept, acknowledges=True)).status_code != 201:
                    continue
                session = SESSION | {"on": str(today())}
                await self._send(partial(trust.post, f"{path}/contacts", session, key=str(uuid4())))
                await self._send(partial(school.get, "/v1/referrals", limit=20))
                await self._send(partial(commissioner.get, "/v1/services"))
        except httpx2.TransportError:
            self.lost_connections += 1

    async def _refer(self, school: Caller, urn: str) -> Any:
        # No numbers: each is a new pupil, as in early years.
        body = pupil_referral("SLT", urn, upn=None, nhs_number=None, family_name=f"Ashgrove {next(_serial)}")
        referring = partial(school.post, "/v1/referrals", body, key=str(uuid4()))
        answer = await self._send(referring, acknowledges=True)
        return answer.json() if answer.status_code == 201 else None

    async def _send(
        self, call: Callable[[], Awaitable[httpx2.Response]], *, acknowledges: bool = False
    ) -> httpx2.Response:
        """Make a call and note the answer, which may acknowledge a write of a referral."""
        answer = await call()
        while self.patient and answer.status_code == 503:
            await asyncio.sleep(float(answer.headers["retry-after"]))
            answer = await call()
        self.answers[answer.status_code] += 1
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            self.without_retry_after += 1
        if acknowledges and answer.status_code == 201:
            referral = answer.json()
            self.acknowledged[referral["id"]] = (referral["status"], answer.headers["x-request-id"])
            if len(self.acknowledged) >= 100:
                self.hundred.set()
        return answer
