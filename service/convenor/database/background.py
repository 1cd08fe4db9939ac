"""Run a worker's background tasks."""

import asyncio
from collections.abc import Awaitable, Callable

from convenor.log import log


async def repeat(name: str, task: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """Repeat a task at an interval until it is cancelled.

    An error does not end the repetition, because the next run may succeed. The log names only the error's class:
    messages of a database can hold values.
    """
    while True:
        try:
            await task()
        except Exception as error:
            log.warning("%s: %s; tried again in %g s", name, type(error).__name__, every_seconds)
        await asyncio.sleep(every_seconds)
