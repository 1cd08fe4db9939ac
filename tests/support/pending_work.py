"""The worker that does what is pending, as a test wants it: now, and until nothing is left."""

import asyncpg
from support.api_client import Service

from convenor.database.pending_work import do_due
from convenor.features import TASKS


async def do_all(service: Service) -> None:
    """Do all pending work that is due, beside the service's own worker."""
    worker, admin = await asyncpg.connect(service.app_url), await asyncpg.connect(service.superuser_url)
    try:
        # What the service's worker is at is locked, so that this waits for its end.
        while await admin.fetch("select from pending_work where due_at <= now() for update"):
            await do_due(worker, TASKS)
    finally:
        await worker.close()
        await admin.close()
