"""Connections without a request: a caller that sends nothing, or half a request, keeps nobody else out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from support.installation import free_port

from convenor.http.connections import Connections, protocol_with

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LONG_SECONDS = 600
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Says that it has begun, and answers once the body is there."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"ye", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"s!"})


@asynccontextmanager
async def served(**bounds: Any) -> AsyncIterator[int]:
    port = free_port()
    protocol = protocol_with(Connections(**{"most": 100, "header_seconds": LONG_SECONDS} | bounds))
    config = uvicorn.Config(application, port=port, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield port
    await server.shutdown()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"yes!"
    return head


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_connection_that_sends_nothing_is_closed_without_an_answer() -> None:
    async with served(header_seconds=0.05) as port, connected(port) as (reader, _writer):
        assert await reader.read() == b""


async def test_a_header_block_that_does_not_end_in_time_is_408() -> None:
    async with served(header_seconds=0.05) as port, connected(port) as (reader, writer):
        writer.write(REQUEST[:-2])
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_second_header_block_has_no_more_time_than_the_first() -> None:
    async with served(header_seconds=0.05) as port, connected(port) as (reader, writer):
        writer.write(REQUEST)
        await read_answer(reader)
        writer.write(REQUEST[:3])
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("line", [b"X-Long: ", b"X-Many: 1\r\n"])
async def test_a_header_block_without_end_is_431(line: bytes) -> None:
    async with served(header_bytes=1000) as port, connected(port) as (reader, writer):
        writer.write(REQUEST[:-2] + line * 200)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_is_no_header_block() -> None:
    async with served(header_bytes=1000) as port, connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000 + REQUEST)
        for _ in range(2):
            assert (await read_answer(reader)).startswith(b"HTTP/1.1 200 ")


async def test_a_request_takes_longer_than_its_header_block_may() -> None:
    async with served(header_seconds=0.05) as port, connected(port) as (reader, writer), connected(port) as (idle, _):
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        # The other connection ends by the time limit that would have ended this one.
        assert await idle.read() == b""
        writer.write(b"x")
        assert await reader.readexactly(4) == b"yes!"


async def test_the_connection_that_has_waited_longest_makes_room_where_there_are_too_many() -> None:
    async with (
        served(most=2) as port,
        connected(port) as (first, _),
        connected(port) as (second, second_writer),
        connected(port) as (third, third_writer),
    ):
        third_writer.write(REQUEST)
        await read_answer(third)
        assert await read_to_end(first) == b""
        second_writer.write(REQUEST)
        await read_answer(second)


async def test_a_request_in_flight_makes_room_for_nobody() -> None:
    async with served(most=1) as port, connected(port) as (busy, busy_writer):
        busy_writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\n")
        await busy.readuntil(b"\r\n\r\n")
        async with connected(port) as (refused, _):
            assert (await refused.read()).startswith(b"HTTP/1.1 503 ")
        busy_writer.write(b"x")
        assert await busy.readexactly(4) == b"yes!"
