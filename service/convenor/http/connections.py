"""Connections that wait for their client: each for seconds at most, and given up first where there are too many.

uvicorn closes a connection that idles between requests. By itself it waits for ever for a header block, for the rest
of a body and for a client that reads nothing; and it parses pipelined requests ahead, however many there are.

Source: RFC 9110 sections 15.5.9 (408), 15.6.4 (503); RFC 9112 section 9.3.2 (pipelining); RFC 6585 section 5 (431).
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from convenor.log import log

PIECE_BYTES = 4_000
"""How much is parsed at once, and so how much may be parsed ahead of the request that is being answered."""
UNSENT_BYTES = 128_000
"""How much of an answer the kernel holds unsent. With more, a slow reader would look like one that reads nothing."""
LOG_SECONDS = 60
"""How often at most the log says that there are too many connections."""
_NOTHING = memoryview(b"")
_RESET = struct.pack("ii", 1, 0)
_RETRY_AFTER = b"retry-after: 2\r\n"


@dataclass
class Connections:
    """What holds for the connections of one server.

    Attributes:
        most: How many there may be, those with a request in flight among them.
        header_seconds: How long a client may take to send the header block of a request.
        header_bytes: How much of a header block may have arrived without its end; or of a trailer, or of what else
            stands between the parts of a body.
        rest_seconds: How long a client may go on sending a body after its request was answered.
        write_seconds: How long a client may take nothing of an answer; noticed after twice that at the latest.
        idle: Those without a request in flight, the one that has waited longest first.
        unfinished: Those whose client still has to send a body or to take an answer, in the same order.
        ahead: Those whose client sent further requests before the answer to an earlier one, in the same order.
        logged_at: When the log last said that there are too many.
    """

    most: int
    header_seconds: float = 10
    header_bytes: int = 64_000
    rest_seconds: float = 10
    write_seconds: float = 30
    idle: "dict[BoundedProtocol, None]" = field(default_factory=dict)
    unfinished: "dict[BoundedProtocol, None]" = field(default_factory=dict)
    ahead: "dict[BoundedProtocol, None]" = field(default_factory=dict)
    logged_at: float = -inf


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 within the bounds of `Connections`."""

    def __init__(self, bounds: Connections, **server: Any) -> None:
        super().__init__(**server)
        self._bounds = bounds
        self._read_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._in_header, self._received = True, 0
        self._since_body = 0
        self._unparsed = _NOTHING
        self._placed: dict[BoundedProtocol, None] | None = None
        self._answering: RequestResponseCycle | None = None
        self._held: tuple[RequestResponseCycle, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, where there are too many in place of the one that has waited longest."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if len(self.connections) > self._bounds.most:
            self._log_limit()
            if not self._make_room():
                self._refuse(503, _RETRY_AFTER)
                return
        self._place()
        self._limit_reading(self._bounds.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and let no request write to it any more."""
        self._leave()
        super().connection_lost(exc)
        # uvicorn tells the request that came last.
        if self._answering:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Read on, but not for ever in one header block, and not far ahead of the answers."""
        self._unparsed = memoryview(bytes(self._unparsed) + data if self._unparsed else data)
        self._parse()
        if self.transport.is_closing():
            self._limit_writing()
            return
        self._place()
        if not self._in_flight():
            self._limit_reading(self._bounds.header_seconds if self._in_header else self._bounds.rest_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the header block. Those of a trailer are dropped: no header may come after the body.

        Source: RFC 9110 section 6.5.1.
        """
        if self._in_header:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._since_body = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Begin a request."""
        self._in_header, self._received, self._since_body = False, 0, 0
        self._stop_limiting_reading()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next header block."""
        super().on_message_complete()
        self._in_header, self._received = True, 0
        self._stop_limiting_reading()

    def on_response_complete(self) -> None:
        """Turn to the next request, or wait for it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._limit_writing()
            return
        self._parse()
        if self.flow.write_paused:
            # A client that still reads does not idle.
            self._unset_keepalive_if_required()
            self.flow.pause_reading()
        self._place()
        if not self._in_flight() and not self._in_header:
            self._limit_reading(self._bounds.rest_seconds)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._place()
        self._limit_writing()

    def resume_writing(self) -> None:
        """Go on, with the request that waited for the client to read."""
        super().resume_writing()
        self._stop_limiting_writing()
        self._limit_writing()
        if self._held:
            held, self._held = self._held, None
            self._start_asgi_task(*held)
        elif not self._in_flight() and not self.transport.is_closing():
            self.flow.resume_reading()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self._place()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, once its client has taken the end of the last answer."""
        super().timeout_keep_alive_handler()
        self._limit_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if self.flow.write_paused:
            self._held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _parse(self) -> None:
        """Parse what has arrived, up to the next pipelined request; the rest follows with the answers."""
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            piece, self._unparsed = self._unparsed[:PIECE_BYTES], self._unparsed[PIECE_BYTES:]
            if self._in_header:
                self._received += len(piece)
            else:
                self._since_body += len(piece)
            super().data_received(piece)  # type: ignore[arg-type]
            if (self._received if self._in_header else self._since_body) > self._bounds.header_bytes:
                self._refuse(431)
        if not self._unparsed:
            self._unparsed = _NOTHING  # and not an empty view that keeps what it is a part of
        elif not self.transport.is_closing():
            self.flow.pause_reading()

    def _in_flight(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _place(self) -> None:
        """Note what the connection waits for; an application at work for one request is left alone."""
        bounds = self._bounds
        place: dict[BoundedProtocol, None] | None = None
        if self.flow.write_paused or (self._in_flight() and not self._in_header):
            place = bounds.unfinished
        elif not self._in_flight():
            place = bounds.idle
        elif self.pipeline:
            place = bounds.ahead
        if place is not self._placed:
            self._unplace()
            self._placed = place
            if place is not None:
                place[self] = None

    def _unplace(self) -> None:
        if self._placed is not None:
            del self._placed[self]
            self._placed = None

    def _leave(self) -> None:
        self._unplace()
        self._stop_limiting_reading()
        self._stop_limiting_writing()

    def _make_room(self) -> bool:
        """Give up the connection that has waited longest, if any waits."""
        longest = next(iter(self._bounds.idle or self._bounds.unfinished or self._bounds.ahead), None)
        if longest is None:
            return False
        longest._leave()
        # At once, and not when its end is told: others may come before that.
        self.connections.discard(longest)
        longest._reset()
        return True

    def _log_limit(self) -> None:
        if self.loop.time() - self._bounds.logged_at >= LOG_SECONDS:
            self._bounds.logged_at = self.loop.time()
            log.warning(
                "the limit of %d connections is reached: those that wait are closed, or new ones are answered 503",
                self._bounds.most,
            )

    def _limit_reading(self, seconds: float) -> None:
        if self._read_deadline is None:
            self._read_deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_limiting_reading(self) -> None:
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None

    def _limit_writing(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread and self._write_deadline is None:
            self._write_deadline = self.loop.call_later(self._bounds.write_seconds, self._expect_less, unread)

    def _stop_limiting_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _expect_less(self, unread: int) -> None:
        self._write_deadline = None
        if self.transport.get_write_buffer_size() == unread:
            self._reset()
        else:
            self._limit_writing()

    def _give_up(self) -> None:
        # Without a byte there is no request, and an answer could be taken for one to the next.
        if self._received:
            self._refuse(408)
        else:
            self.transport.close()
            self._limit_writing()

    def _refuse(self, status: int, headers: bytes = b"") -> None:
        if not self._in_flight():
            self.transport.write(STATUS_LINE[status] + headers + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
        self._limit_writing()

    def _reset(self) -> None:
        """End the connection and free what its client has not taken, in the kernel too."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def protocol_with(bounds: Connections) -> Any:
    """Return the protocol that uvicorn makes for each connection. It can be sent to a worker process."""
    return partial(BoundedProtocol, bounds)
