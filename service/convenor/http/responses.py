"""Answers that carry their audit record to the middleware that writes it."""

from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from convenor.audit.record import AuditRecord

_KEY = "convenor.audit_record"


class AuditedResponse(Response):
    """An answer with the record of its request.

    Args:
        audit: The record; None where no event is left to write, because it was committed with its change.
    """

    def __init__(self, *content: Any, audit: AuditRecord | None, **options: Any) -> None:
        super().__init__(*content, **options)
        self.audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, and the record with its first message."""

        async def send_with_record(message: Message) -> None:
            if message["type"] == "http.response.start":
                message[_KEY] = self.audit
            await send(message)

        await super().__call__(scope, receive, send_with_record)


class AuditedJSONResponse(AuditedResponse, JSONResponse):
    """A JSON answer with the record of its request."""


class AuditedStreamingResponse(AuditedResponse, StreamingResponse):
    """A stream with the record of its request."""


def pop_record(message: Message, action: str) -> AuditRecord | None:
    """Take the record out of the first message of an answer.

    Args:
        message: `http.response.start`.
        action: Of the request, for an answer that carries no record, as the framework's own do.
    """
    record: AuditRecord | None = message.pop(_KEY) if _KEY in message else AuditRecord(action)
    return record
