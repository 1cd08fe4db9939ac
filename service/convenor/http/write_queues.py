"""Queues of the changes that wait for the same record, or for the first call of the same idempotency key.

A change that waits for a row lock holds a connection, and a worker has few of those. Without these queues, the writers
of one busy record would hold all of them. A record has one queue under its id and one under its code.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from convenor.database.pools import WAIT_SECONDS
from convenor.problems import Unavailable

AT_ONCE = 2
"""How many changes of one record, or calls with one key, may hold a connection: one at work, and the next."""
MAX_QUEUED = 100
"""How many changes may queue for one record or key."""


class _Queue:
    """The changes of one record, or calls with one key: those under way, and those that wait, in their order."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.size = 0


class WriteQueues:
    """The queues of one worker. A queue exists while a change is in it."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}

    @asynccontextmanager
    async def turn(self, record_or_key: Hashable) -> AsyncIterator[None]:
        """Wait for a turn to change a record or to use a key, and keep the turn while the context lasts.

        Raises:
            Unavailable: too many changes wait for the record or the key already.
            TimeoutError: no turn came within `WAIT_SECONDS`.
        """
        queue = self._queues.setdefault(record_or_key, _Queue())
        if queue.size >= AT_ONCE + MAX_QUEUED:
            raise Unavailable(
                "Too many changes of this record, or calls with this idempotency key, wait already; nothing was stored."
            )
        queue.size += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await queue.turns.acquire()
            try:
                yield
            finally:
                queue.turns.release()
        finally:
            queue.size -= 1
            if queue.size == 0:
                del self._queues[record_or_key]
