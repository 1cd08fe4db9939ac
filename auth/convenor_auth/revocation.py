"""Listen for changes of clients, so that a worker drops its cached tokens.

Triggers on the tables of this package (migration 0006) send a notification when any change commits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from convenor_auth.tokens import TokenVerifier

CHANNEL = "convenor_client"
"""The payload of each notification is a client id."""
HEARTBEAT_SECONDS = 5.0
_LISTENS = "select $1 in (select pg_listening_channels())"


async def watch(
    connect: Callable[[], Awaitable[Any]], verifier: TokenVerifier, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> None:
    """Let the verifier cache tokens while the connection for notifications lasts.

    Without the connection, the verifier caches nothing and queries the database on each request. A heartbeat detects a
    dead connection within twice its interval, and one whose session no longer listens, as behind a connection pooler.

    Args:
        connect: opens an asyncpg connection for this purpose only.
        verifier: the worker's token verifier.
        heartbeat_seconds: the interval of the heartbeat.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the connection failed, was lost or does not listen.
    """
    connection = await connect()
    try:
        await _listen(connection, verifier)
        while True:
            await asyncio.sleep(heartbeat_seconds)
            if not await connection.fetchval(_LISTENS, CHANNEL, timeout=heartbeat_seconds):
                raise ConnectionError("the session does not listen")
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
    verifier.start_watching()
