"""Bodies that arrive slowly: each has its time, which single bytes do not renew."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2
import pytest
from starlette.types import Message
from support.api_client import Service, pupil_referral

from convenor.http.middleware import body
from convenor.http.request_context import PathPolicy, RequestContext
from convenor.problems import TooSlow

FORM, JSON, LINES = "application/x-www-form-urlencoded", "application/json", "application/x-ndjson"


async def dribbled() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0)


async def stalled() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


@pytest.mark.parametrize("sent", [dribbled, stalled])
@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/oauth/token", FORM), ("/v1/referrals", JSON), ("/v1/bulk/contacts", LINES), ("/graphql", JSON)],
)
async def test_a_body_that_does_not_end_in_time_is_refused(
    shared_service: Service, monkeypatch: pytest.MonkeyPatch, sent: Any, path: str, media_type: str
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.05)
    headers = {"Content-Type": media_type, "Idempotency-Key": "k"}
    refused = await shared_service.as_("trust").call("POST", path, content=sent(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (408, "too_slow")


async def test_a_body_that_ends_in_time_is_stored_in_however_many_pieces_it_comes(service: Service) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(pupil_referral("SLT")).encode():
            yield bytes([byte])
            await asyncio.sleep(0)

    headers = {"Content-Type": JSON, "Idempotency-Key": "k"}
    made = await service.as_("school").call("POST", "/v1/referrals", content=pieces(), headers=headers)
    assert made.status_code == 201, made.text


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_HELD", 100_000)


@pytest.mark.usefixtures("little_memory")
async def test_long_bodies_that_together_are_too_long_to_hold_are_unavailable(shared_service: Service) -> None:
    school, long = shared_service.as_("school"), b" " * (body.UNCOUNTED + 60_000)
    held, to_be_sent, read_on = asyncio.Event(), asyncio.Event(), False

    async def first() -> AsyncIterator[bytes]:
        yield long
        held.set()
        await to_be_sent.wait()
        yield b"{}"

    async def second() -> AsyncIterator[bytes]:
        nonlocal read_on
        yield long
        read_on = True
        yield b"{}"

    async def post(content: bytes | AsyncIterator[bytes]) -> httpx2.Response:
        """Send an empty object, which is invalid wherever it is read to its end."""
        headers = {"Content-Type": JSON, "Idempotency-Key": "k"}
        return await school.call("POST", "/v1/referrals", content=content, headers=headers)

    await school.authorise()
    waiting = asyncio.create_task(post(first()))
    await held.wait()
    refused = await post(second())
    assert (refused.status_code, refused.json()["code"], read_on) == (503, "unavailable", False)
    assert refused.headers["Retry-After"]
    short = b" " * (body.UNCOUNTED - 2) + b"{}"
    assert (await post(short)).status_code == 422
    to_be_sent.set()
    assert (await waiting).status_code == 422
    assert (await post(second())).status_code == 422


@pytest.mark.usefixtures("little_memory")
async def test_a_bulk_import_is_longer_than_what_is_held_of_other_bodies(shared_service: Service) -> None:
    blank_lines, headers = b"\n" * 199_999, {"Content-Type": LINES}
    answer = await shared_service.as_("trust").call("POST", "/v1/bulk/contacts", content=blank_lines, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.asyncio(loop_scope="function")
class TestTime:
    """How long a body may take, by a clock that the tests move."""

    async def read(self, monkeypatch: pytest.MonkeyPatch, part: bytes, *, bulk: bool) -> int:
        """Read a body whose four parts come 19 seconds one after another, and return its size."""
        loop = asyncio.get_running_loop()
        parts, size = [part] * 4, 0

        async def receive() -> Message:
            if len(parts) < 4:
                before = loop.time
                monkeypatch.setattr(loop, "time", lambda: before() + 19)
                for _ in range(3):
                    await asyncio.sleep(0)
            return {"type": "http.request", "body": parts.pop(), "more_body": bool(parts)}

        async def application(_scope: Any, receive: Any, _send: Any) -> None:
            nonlocal size
            more = True
            while more:
                message = await receive()
                size, more = size + len(message["body"]), message["more_body"]

        async def send(_message: Message) -> None: ...

        scope: dict[str, Any] = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
        policy = PathPolicy(for_partners=True, audited=False, bulk=bulk)
        headers = dict(scope["headers"])
        RequestContext(cast(Any, None), policy, headers, request_id="1", address=None).enter(scope)
        await body.BodyMiddleware(application)(scope, receive, send)
        return size

    async def test_a_bulk_body_at_moderate_speed_takes_longer_than_another_may(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert await self.read(monkeypatch, b"x" * body.BULK_PART, bulk=True) == 4 * body.BULK_PART

    @pytest.mark.parametrize(("size", "bulk"), [(body.BULK_PART, False), (100, True)])
    async def test_a_body_is_refused_that_comes_too_slowly(
        self, monkeypatch: pytest.MonkeyPatch, size: int, *, bulk: bool
    ) -> None:
        with pytest.raises(TooSlow):
            await self.read(monkeypatch, b"x" * size, bulk=bulk)
