"""A partner's software: real HTTP semantics against the application, with real tokens."""

import time
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from support.dataset import Client, Dataset, DatasetArea

from convenor.http.services import AppServices

ASK_AGAIN_SECONDS = 240
"""After which a caller gets another token, before its own ends: a dataset that all tests share lives longer."""


@dataclass
class Caller:
    """One client, calling."""

    http: httpx2.AsyncClient
    client: Client
    token: str | None = None
    scopes: tuple[str, ...] = ()
    asked_at: float = inf

    async def authorise(self, *scopes: str) -> str:
        """Get a token for these scopes, or for all that the client may ask."""
        self.scopes, self.asked_at = scopes, time.monotonic()
        answer = await self.http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": " ".join(scopes or sorted(self.client.scopes))},
            auth=(self.client.client_id, self.client.secret),
        )
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]
        return self.token

    async def call(self, method: str, path: str, **how: Any) -> httpx2.Response:
        """Make a call with the client's token."""
        if self.token is None or time.monotonic() > self.asked_at + ASK_AGAIN_SECONDS:
            await self.authorise(*self.scopes)
        headers = {"Authorization": f"Bearer {self.token}"} | how.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **how)

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        """Read a record or a list."""
        return await self.call("GET", path, params=params or None)

    async def search(self, json: Any, **params: Any) -> httpx2.Response:
        """Search referrals by a pupil's number, which stands in the body alone."""
        return await self.call("POST", "/v1/referrals/search", json=json, params=params or None)

    async def post(self, path: str, json: Any, *, key: str | None = None, etag: str | None = None) -> httpx2.Response:
        """Create a record, with a fresh idempotency key unless one is given; or step it on, with an ETag."""
        headers = {"If-Match": etag} if etag else {"Idempotency-Key": key or str(uuid4())}
        return await self.call("POST", path, json=json, headers=headers)

    async def put(self, path: str, json: Any, etag: str) -> httpx2.Response:
        """Replace a part of a record."""
        return await self.call("PUT", path, json=json, headers={"If-Match": etag})

    async def patch(self, path: str, json: Any, etag: str) -> httpx2.Response:
        """Change a record."""
        return await self.call("PATCH", path, json=json, headers={"If-Match": etag})


@dataclass
class Service:
    """The application over one database that holds the dataset."""

    http: httpx2.AsyncClient
    dataset: Dataset
    app_url: str
    superuser_url: str
    app: Any
    data_dir: Path
    callers: dict[tuple[str, str], Caller] = field(default_factory=dict)

    @property
    def services(self) -> AppServices:
        """What the application holds while it serves."""
        return AppServices.of(self.app)

    def as_(self, key: str, area: str = "wendshire") -> Caller:
        """Return the caller of a client of the dataset, e.g. `as_("school")` or `as_("trust", "fenmark")`."""
        if (key, area) not in self.callers:
            client = self.dataset.operator if key == "operator" else self.area(area).clients[key]
            self.callers[key, area] = Caller(self.http, client)
        return self.callers[key, area]

    def area(self, name: str = "wendshire") -> DatasetArea:
        """Return an area of the dataset."""
        area: DatasetArea = getattr(self.dataset, name)
        return area


def pupil_referral(service_id: Any, urn: str = "900001", **pupil: Any) -> dict[str, Any]:
    """Return a well-formed referral of one pupil."""
    stated = {
        "upn": "B801200005001",
        "given_name": "Robin",
        "family_name": "Ashgrove",
        "date_of_birth": "2016-05-04",
        "sen_provision": "K",
        "nhs_number": "9990000018",
    } | pupil
    return {
        "pathway": "service",
        "service_id": str(service_id),
        "school_urn": urn,
        "need": "SLCN",
        "priority": "routine",
        "reason": "Robin is hard to follow for strangers.",
        "subject": {"kind": "pupil", "pupil": {name: value for name, value in stated.items() if value is not None}},
    }
