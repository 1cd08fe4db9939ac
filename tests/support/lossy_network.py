"""A network that loses connections without a word: no end, no reset, and no byte more."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass
class Network:
    """Carries bytes to a server, until the connections of its choice are lost."""

    url: str
    """The login at the server, by way of this network."""
    drops: bytes | None = None
    """A parameter of the start that goes no further, as behind a connection pooler."""
    _lost: dict[bytes, asyncio.Event] = field(default_factory=dict)

    def lose(self, statement: bytes) -> asyncio.Event:
        """Lose each connection that sends this or once did, with what it sends; the event says that one is lost.

        A prepared statement is sent once, and then goes by a name.
        """
        return self._lost.setdefault(statement, asyncio.Event())

    def mend(self) -> None:
        """Lose no more connections."""
        self._lost.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in one direction."""
        sent = bytearray()
        try:
            while data := await reader.read(65536):
                sent += data
                for statement, lost in self._lost.items():
                    if statement in sent:
                        lost.set()
                        await asyncio.Event().wait()
                if self.drops and sent == data:
                    # The name of an unknown setting with a prefix is taken by the server, and means nothing.
                    data = data.replace(self.drops + b"\0", b"x." + self.drops[2:] + b"\0")
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def lossy_network(url: str) -> AsyncIterator[Network]:
    """A network before the Unix socket of a server."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    port = parts.port or int(query.get("port", ["5432"])[0])
    socket = Path(query["host"][0]) / f".s.PGSQL.{port}"
    directions: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(socket)
        directions.extend(
            asyncio.create_task(network.carry(*each)) for each in ((reader, to_server), (from_server, writer))
        )

    with tempfile.TemporaryDirectory(prefix="cv-") as folder:
        hosts = {name: values[0] for name, values in query.items()} | {"host": folder}
        network = Network(parts._replace(query=urlencode(hosts, safe="/")).geturl())
        server = await asyncio.start_unix_server(connected, Path(folder) / socket.name)
        try:
            yield network
        finally:
            server.close()
            for each in directions:
                each.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
