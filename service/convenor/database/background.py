"""What a worker does again and again beside its requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("convenor")


async def repeat(name: str, what: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """Does something, waits and does it again, until it is cancelled.

    Whatever it raises ends nothing, since the next time may go well. It is logged by its class alone: messages of a
    database can hold values.
    """
    while True:
        try:
            await what()
        except Exception as error:
            log.warning("%s: %s; tried again in %g s", name, type(error).__name__, every_seconds)
        await asyncio.sleep(every_seconds)
