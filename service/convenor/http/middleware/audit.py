"""Holds the answer to an audited request back until its event is durable."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convenor.audit.record import AuditRecord
from convenor.http.request_context import RequestContext
from convenor.http.responses import pop_record
from convenor.problems import Unavailable

EVENT_SECONDS = 1
"""How long an answer that says the service is unavailable waits for its own event."""


class AuditMiddleware:
    """Writes the record that an answer carries, before its first byte leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            asyncpg.PostgresError, OSError: Out of `send`, when the event cannot be written.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_audited(message: Message) -> None:
            if message["type"] == "http.response.start":
                context = RequestContext.of(scope)
                record = pop_record(message, context.action)
                if record and context.policy.audited:
                    await _write(context, record, message["status"])
            await send(message)

        await self.app(scope, receive, send_audited)


async def _write(context: RequestContext, record: AuditRecord, status: int) -> None:
    writing = context.services.audit_writer.write(context.source, record, status)
    if record.problem != Unavailable.code:
        await writing
        return
    # Its event may be the very thing that cannot be written. It carries no data, so it leaves all the same.
    with suppress(Exception):
        async with asyncio.timeout(EVENT_SECONDS):
            await writing
