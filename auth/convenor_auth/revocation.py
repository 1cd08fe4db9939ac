"""Telling every worker that a client has changed, so that what they remember of it ends with its next request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .tokens import TokenVerifier

CHANNEL = "convenor_client"
HEARTBEAT_SECONDS = 5.0


async def announce(session: AsyncSession, client_id: str) -> None:
    """Tell all workers that this client has changed, at the moment the transaction commits."""
    await session.execute(text("select pg_notify(:channel, :client_id)"), {"channel": CHANNEL, "client_id": client_id})


async def keep_watching(
    connect: Callable[[], Awaitable[Any]], verifier: TokenVerifier, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> None:
    """Let the verifier remember tokens whenever it can be told of changes; runs until it is cancelled.

    While the connection is lost the verifier remembers nothing, and asks the database on each request. A connection
    that has died unnoticed is found out by its heartbeat, within twice its seconds.

    Args:
        connect: opens an asyncpg connection that is kept for this alone.
        verifier: this worker's.
        heartbeat_seconds: between heartbeats, and between attempts to connect.
    """
    while True:
        try:
            connection = await connect()
            try:
                await _watch(connection, verifier)
                while True:
                    await asyncio.sleep(heartbeat_seconds)
                    await connection.execute("select 1", timeout=heartbeat_seconds)
            finally:
                verifier.stop_watching()
                connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(heartbeat_seconds)


async def _watch(connection: Any, verifier: TokenVerifier) -> None:
    def changed(connection: object, pid: int, channel: str, payload: object) -> None:
        verifier.forget(str(payload))

    def lost(connection: object) -> None:
        verifier.stop_watching()

    connection.add_termination_listener(lost)
    await connection.add_listener(CHANNEL, changed)
    verifier.watching = True
