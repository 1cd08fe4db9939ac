"""Hearing that a client has changed, so that what a worker remembers of it ends with its next request.

The database says so itself: triggers on the tables of this package (migration 0006) notify at the commit of any change,
whoever makes it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .tokens import TokenVerifier

CHANNEL = "convenor_client"
"""Its notifications carry a client id each."""
HEARTBEAT_SECONDS = 5.0


async def watch(
    connect: Callable[[], Awaitable[Any]], verifier: TokenVerifier, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> None:
    """Let the verifier remember tokens as long as it can be told of changes: until the connection is lost.

    While the connection is lost the verifier remembers nothing, and asks the database on each request. A connection
    that has died unnoticed is found out by its heartbeat, within twice its seconds.

    Args:
        connect: opens an asyncpg connection that is kept for this alone.
        verifier: this worker's.
        heartbeat_seconds: between heartbeats.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: there is no connection, or no longer.
    """
    connection = await connect()
    try:
        await _listen(connection, verifier)
        while True:
            await asyncio.sleep(heartbeat_seconds)
            await connection.execute("select 1", timeout=heartbeat_seconds)
    finally:
        verifier.stop_watching()
        connection.terminate()


async def _listen(connection: Any, verifier: TokenVerifier) -> None:
    def changed(connection: object, pid: int, channel: str, payload: object) -> None:
        verifier.forget(str(payload))

    def lost(connection: object) -> None:
        verifier.stop_watching()

    connection.add_termination_listener(lost)
    await connection.add_listener(CHANNEL, changed)
    verifier.watching = True
