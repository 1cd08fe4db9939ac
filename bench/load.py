"""A small HTTP load client: keep-alive connections, one request after another on each; any answer but 200 fails."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One round of one variant."""

    per_second: float
    p99_ms: float


async def fetch(port: int, request: bytes) -> bytes:
    """One request on a connection of its own; the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = await _exchange(reader, writer, request)
    writer.close()
    return body


async def measure(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Measured:
    """Sends the requests in turn for some seconds."""
    turn = itertools.cycle(requests)
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < end:
            await _exchange(reader, writer, next(turn))
            times.append(time.perf_counter() - start)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    elapsed = time.perf_counter() - started
    times.sort()
    return Measured(len(times) / elapsed, times[int(len(times) * 0.99)] * 1000)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise AssertionError(f"not 200: {head[:200]!r}")
    at = head.lower().index(b"content-length:") + 15
    return await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
