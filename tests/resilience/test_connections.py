"""Connections that wait for their client: one that does not send or does not read keeps nobody else out."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from support.installation import free_port

from convenor.http.connections import Connections, protocol_with
from convenor.process import configure_server

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
BUSY = b"GET /busy HTTP/1.1\r\nHost: here\r\n\r\n"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nx"
BIG = b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n"
BIG_BYTES = 30_000_000
"""More than the kernel takes for a client that does not read."""
LONG_SECONDS = 600
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PassTime = Callable[[float], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="function")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Says that it has begun, and answers once the body is there, unless the path asks for something else."""
    if scope["path"] == "/big":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % BIG_BYTES)]})
        await send({"type": "http.response.body", "body": b"x" * BIG_BYTES})
        return
    if scope["path"] == "/refused":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/busy":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ye", "more_body": True})
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"ye", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"s!"})


@asynccontextmanager
async def serving(**bounds: Any) -> AsyncIterator[uvicorn.Server]:
    port = free_port()
    protocol = protocol_with(Connections(**{"most": 100, "header_seconds": LONG_SECONDS} | bounds))
    config = uvicorn.Config(application, port=port, http=protocol, ws="none", lifespan="off", log_config=None)
    async with started(config) as server:
        yield server


@asynccontextmanager
async def started(config: uvicorn.Config) -> AsyncIterator[uvicorn.Server]:
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server
    for task in server.server_state.tasks:
        task.cancel()
    await server.shutdown()


@asynccontextmanager
async def served(**bounds: Any) -> AsyncIterator[int]:
    async with serving(**bounds) as server:
        yield server.config.port


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Line]:
    client = socket.socket()
    # Little is on its way to a client that does not read, so that what it reads later had to be sent later.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client)
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


async def test_a_request_that_is_being_answered_makes_room_for_nobody() -> None:
    async with served(most=1) as port, connected(port) as (busy, busy_writer):
        busy_writer.write(BUSY)
        await busy.readuntil(b"\r\n\r\n")
        async with connected(port) as (refused, _):
            answer = await refused.read()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 2\r\n" in answer
        assert await busy.readexactly(2) == b"ye"


async def test_a_client_that_sends_requests_ahead_makes_room_before_anybody_is_refused() -> None:
    async with served(most=2) as port, connected(port) as (busy, busy_writer), connected(port) as (ahead, writer):
        busy_writer.write(BUSY)
        await busy.readuntil(b"\r\n\r\n")
        writer.write(BUSY + REQUEST)
        await ahead.readuntil(b"\r\n\r\n")
        async with connected(port) as (third, third_writer):
            third_writer.write(REQUEST)
            await read_answer(third)
            assert await read_to_end(ahead) in (b"ye", b"")
        assert await busy.readexactly(2) == b"ye"


async def test_a_client_whose_body_is_still_to_come_makes_room_before_one_that_sends_requests_ahead() -> None:
    async with served(most=2) as port, connected(port) as (ahead, ahead_writer), connected(port) as (loading, writer):
        ahead_writer.write(BUSY + REQUEST)
        await ahead.readuntil(b"\r\n\r\n")
        writer.write(HALF_A_BODY)
        await loading.readuntil(b"\r\n\r\n")
        async with connected(port) as (third, third_writer):
            third_writer.write(REQUEST)
            await read_answer(third)
            assert await read_to_end(loading) in (b"ye", b"")
        assert await ahead.readexactly(2) == b"ye"


async def test_the_limit_of_connections_is_logged_once_a_minute(
    pass_time: PassTime, caplog: pytest.LogCaptureFixture
) -> None:
    async def be_refused() -> None:
        async with connected(port) as (refused, _):
            await refused.read()

    async with served(most=1) as port, connected(port) as (busy, busy_writer):
        busy_writer.write(BUSY)
        await busy.readuntil(b"\r\n\r\n")
        for _ in range(3):
            await be_refused()
        (logged,) = caplog.messages
        assert "limit of 1 connections" in logged
        await pass_time(61)
        await be_refused()
        assert caplog.messages == [logged] * 2


@pytest.mark.parametrize("unfinished", [HALF_A_BODY, BIG, BIG * 20], ids=["half a body", "unread", "unread pipeline"])
async def test_a_client_that_does_not_send_or_read_on_makes_room_before_anybody_is_refused(unfinished: bytes) -> None:
    async with served(most=2) as port, connected(port) as (first, first_writer), connected(port) as (second, writer):
        for each, each_writer in ((first, first_writer), (second, writer)):
            each_writer.write(unfinished)
            await each.readuntil(b"\r\n\r\n")
        async with connected(port) as (third, third_writer):
            third_writer.write(REQUEST)
            await read_answer(third)
            assert len(await read_to_end(first)) < BIG_BYTES
            assert await second.readexactly(2) in (b"ye", b"xx")


async def test_a_connection_without_a_request_makes_room_before_one_whose_body_is_still_to_come() -> None:
    async with served(most=2) as port, connected(port) as (loading, writer), connected(port) as (idle, _):
        writer.write(HALF_A_BODY)
        await loading.readuntil(b"\r\n\r\n")
        async with connected(port) as (third, third_writer):
            third_writer.write(REQUEST)
            await read_answer(third)
            assert await read_to_end(idle) == b""
        writer.write(b"x")
        assert await loading.readexactly(4) == b"yes!"


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> PassTime:
    """Move the clock of the event loop on, so that nothing waits for it."""

    async def pass_time(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + seconds)
        await take_turns()

    return pass_time


async def take_turns() -> None:
    """Let the server take what was sent to it, and answer."""
    for _ in range(20):
        await asyncio.sleep(0)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Return whether the server has ended a connection, of which all before is thrown away."""
    while not reader.at_eof():
        try:
            async with asyncio.timeout(1):
                await reader.read(BIG_BYTES)
        except TimeoutError:
            return False
        except ConnectionResetError:
            break
    return True


async def test_an_idle_connection_stays_open_for_longer_than_usual_clients_keep_theirs(pass_time: PassTime) -> None:
    port = free_port()
    async with started(configure_server(application, port=port)), connected(port) as (reader, writer):
        for idle_seconds in (0, 60):
            await pass_time(idle_seconds)
            writer.write(REQUEST)
            await read_answer(reader)
        await pass_time(76)
        assert await is_closed(reader)


@pytest.mark.parametrize("requests", [1, 20])
async def test_an_answer_of_which_nothing_is_read_is_cut(pass_time: PassTime, requests: int) -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(BIG * requests)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(5):
            await pass_time(31)
        assert len(await read_to_end(reader)) < BIG_BYTES


async def test_an_answer_of_which_nothing_is_read_is_cut_where_the_connection_closes_after_it(
    pass_time: PassTime,
) -> None:
    async with serving() as server, connected(server.config.port) as (reader, writer):
        writer.write(BIG[:-2] + b"Connection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(5):
            await pass_time(31)
        assert not server.server_state.connections


async def test_an_answer_that_is_read_slowly_is_sent_to_its_end_and_the_connection_kept(pass_time: PassTime) -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(BIG)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(9):
            await reader.readexactly(BIG_BYTES // 10)
            await pass_time(20)
        await reader.readexactly(BIG_BYTES // 10)
        writer.write(REQUEST)
        await read_answer(reader)


async def test_a_pipelined_request_waits_until_the_answer_before_it_is_taken() -> None:
    async with serving() as server, connected(server.config.port) as (reader, writer):
        writer.write(BIG * 2 + REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await take_turns()
        assert not server.server_state.tasks
        await reader.readexactly(BIG_BYTES)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(BIG_BYTES)
        await read_answer(reader)


async def test_few_of_many_pipelined_requests_are_parsed_ahead_and_all_are_answered() -> None:
    async with serving() as server, connected(server.config.port) as (reader, writer):
        writer.write(HALF_A_BODY)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x" + REQUEST * 3000)
        assert await reader.readexactly(4) == b"yes!"
        (connection,) = server.server_state.connections
        for _ in range(3000):
            await read_answer(reader)
            assert len(connection.pipeline) < 200  # type: ignore[union-attr]


async def test_the_rest_of_a_body_that_is_already_answered_is_not_waited_for(pass_time: PassTime) -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(b"POST /refused HTTP/1.1\r\nHost: here\r\nContent-Length: 500\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        for _ in range(4):
            writer.write(b"x")
            await pass_time(3)
        assert await is_closed(reader)


async def test_a_body_that_ends_soon_after_its_answer_keeps_the_connection(pass_time: PassTime) -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(b"POST /refused HTTP/1.1\r\nHost: here\r\nContent-Length: 500000\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        writer.write(b"x" * 499_999)
        await pass_time(3)
        writer.write(b"x" + REQUEST)
        await read_answer(reader)


async def test_a_client_that_waits_to_be_told_to_continue_is_told() -> None:
    async with served() as port, connected(port) as (reader, writer):
        head = b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n"
        writer.write(head)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x" * 500_000)
        assert await reader.readexactly(4) == b"yes!"


async def test_the_head_of_a_big_answer_is_followed_by_the_next_answer() -> None:
    async with served() as port, connected(port) as (reader, writer):
        writer.write(BIG.replace(b"GET", b"HEAD") + REQUEST)
        assert b"content-length: %d" % BIG_BYTES in await reader.readuntil(b"\r\n\r\n")
        await read_answer(reader)


@pytest.mark.parametrize(
    "sent",
    [REQUEST, BIG, BIG * 20, HALF_A_BODY, REQUEST * 3000],
    ids=["one", "unread", "unread pipeline", "half a body", "pipeline"],
)
async def test_a_client_that_goes_away_leaves_nothing_in_the_log(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def go_away() -> None:
        async with serving() as server:
            for _ in range(3):
                async with connected(server.config.port) as (reader, writer):
                    writer.write(sent)
                    await reader.readuntil(b"\r\n\r\n")
                    writer.transport.abort()
                async with asyncio.timeout(5):
                    while server.server_state.connections or server.server_state.tasks:
                        await take_turns()

    # The loop that serves: its connections raise where others ignore what is written to a closed one.
    await asyncio.to_thread(uvloop.run, go_away())
    assert not caplog.records
