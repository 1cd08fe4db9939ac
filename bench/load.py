"""Send HTTP requests on keep-alive connections, one after another on each; fail on any answer but 2xx."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestSet:
    """Requests to one server, each as its bytes."""

    port: int
    requests: Sequence[bytes]


@dataclass(frozen=True)
class Measured:
    """One round of one variant."""

    per_second: float
    median_ms: float
    p99_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float], elapsed: float) -> "Measured":
        """Compute the figures from the time of each request and the total time."""
        ordered = sorted(seconds)
        p99 = ordered[int(len(ordered) * 0.99)]
        return cls(len(ordered) / elapsed, statistics.median(ordered) * 1000, p99 * 1000)


def get(port: int, *paths: str, token: str = "") -> RequestSet:
    """Make GET requests of these paths."""
    given = f"Authorization: Bearer {token}\r\n" if token else ""
    return RequestSet(port, [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{given}\r\n".encode() for path in paths])


def post(port: int, path: str, body: bytes, kind: str = "application/json", token: str = "") -> RequestSet:
    """Make a POST request."""
    given = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{given}\r\n"
    )
    return RequestSet(port, [head.encode() + body])


async def fetch(request_set: RequestSet) -> bytes:
    """Send the first request on a new connection, and return the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", request_set.port)
    body = await _exchange(reader, writer, request_set.requests[0])
    writer.close()
    return body


async def measure(request_set: RequestSet, connections: int, seconds: float) -> Measured:
    """Send the requests in turn for some seconds, at least one on each connection."""
    turn = itertools.cycle(request_set.requests)
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", request_set.port)
        start = 0.0
        while start < end:
            start = time.perf_counter()
            await _exchange(reader, writer, next(turn))
            times.append(time.perf_counter() - start)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    return Measured.of(times, time.perf_counter() - started)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 2"):
        raise AssertionError(f"not 2xx: {head[:200]!r}")
    if b"transfer-encoding: chunked" in head:
        return await _chunks(reader)
    at = head.index(b"content-length:") + 15
    return await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
