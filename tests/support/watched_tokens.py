"""A worker that hears of changes, as the tests play it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg

from convenor.database.background import repeat
from convenor_auth.oauth_services import OAuthServices
from convenor_auth.revocation import HEARTBEAT_SECONDS, watch


@asynccontextmanager
async def watching(
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    oauth: OAuthServices,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[None]:
    """Let a worker watch for revocations until the test is done with it."""
    watches = partial(watch, connect, oauth.verifier, heartbeat_seconds)
    task = asyncio.create_task(repeat("watching", watches, heartbeat_seconds))
    await until(lambda: oauth.verifier.watching)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not oauth.verifier.watching


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0)


async def hear(line: asyncpg.Connection) -> None:
    """Let what was announced arrive: it is delivered before the next answer on the same connection."""
    await line.execute("select 1")


async def token_of(partner: Any, scope: str = "referrals:read") -> str:
    return (await partner.ask(scope=scope)).json()["access_token"]
