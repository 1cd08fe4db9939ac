"""Connections without a request: each lasts seconds, and is given up first where there are too many.

uvicorn closes a connection that idles between requests. It waits for ever for the first byte of a connection, and for
the end of a header block that was begun.

Source: RFC 9110 sections 15.5.9 (408), 15.6.4 (503); RFC 6585 section 5 (431).
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol


@dataclass
class Connections:
    """What holds for the connections of one server.

    Attributes:
        most: How many there may be, those with a request in flight among them.
        header_seconds: How long a caller may take to send the header block of a request.
        header_bytes: How much of a header block may have arrived without its end.
        waiting: Those without a request in flight, the one that has waited longest first.
    """

    most: int
    header_seconds: float = 10
    header_bytes: int = 64_000
    waiting: "dict[BoundedProtocol, None]" = field(default_factory=dict)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 within the bounds of `Connections`."""

    def __init__(self, bounds: Connections, **server: Any) -> None:
        super().__init__(**server)
        self._bounds = bounds
        self._deadline: asyncio.TimerHandle | None = None
        self._in_header, self._received = True, 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, where there are too many in place of the one that has waited longest."""
        super().connection_made(transport)
        if len(self.connections) > self._bounds.most and not self._make_room():
            self._refuse(503)
            return
        self._bounds.waiting[self] = None
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but not for ever in one header block."""
        if self._in_header:
            self._received += len(data)
        super().data_received(data)
        if self._in_header and self._received > self._bounds.header_bytes:
            self._refuse(431)
        elif not self._in_flight():
            if not self._in_header:
                # The rest of a body that was answered before its end: it may take its time, but not stall.
                self._drop_deadline()
            self._set_deadline()

    def on_headers_complete(self) -> None:
        """Begin a request."""
        self._in_header, self._received = False, 0
        self._end_wait()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next header block."""
        super().on_message_complete()
        self._in_header, self._received = True, 0

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there already."""
        super().on_response_complete()
        if not self._in_flight():
            self._bounds.waiting[self] = None

    def _in_flight(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> bool:
        """Give up the connection that has waited longest, if any waits."""
        longest = next(iter(self._bounds.waiting), None)
        if longest is None:
            return False
        longest._end_wait()
        # At once, and not when its end is told: others may come before that.
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _set_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._bounds.header_seconds, self._give_up)

    def _end_wait(self) -> None:
        self._bounds.waiting.pop(self, None)
        self._drop_deadline()

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        # Without a byte there is no request, and an answer could be taken for one to the next.
        if self._received:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        if not self._in_flight():
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def protocol_with(bounds: Connections) -> Any:
    """The protocol that uvicorn makes for each connection; it can be sent to a worker process."""
    return partial(BoundedProtocol, bounds)
