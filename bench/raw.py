"""The limit: a bare ASGI application that runs a given statement on asyncpg and returns its bytes.

`/{name}` runs the statement of that name with its arguments, `/{name}/{id}` with an id behind them; `/` answers `{}`
without the database. `BENCH_STATEMENTS` names the pickled file with (statement, arguments) by name.
"""

import os
import pickle
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg


class Raw:
    """An ASGI application over one pool."""

    def __init__(self, statements: dict[str, tuple[str, tuple[Any, ...]]], url: str) -> None:
        self.statements, self.url = statements, url
        self.pool: asyncpg.Pool | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        _, name, *key = scope["path"].split("/")
        body = b"{}"
        if name and self.pool:
            statement, arguments = self.statements[name]
            body = await self.pool.fetchval(statement, *arguments, *map(UUID, key))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        settings = {"jit": "off", "timezone": "UTC"}
        self.pool = await asyncpg.create_pool(self.url, min_size=10, max_size=10, reset=_keep, server_settings=settings)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _keep(_connection: Any) -> None:
    return None


def make() -> Raw:
    """Make the application from the environment."""
    return Raw(pickle.loads(Path(os.environ["BENCH_STATEMENTS"]).read_bytes()), os.environ["BENCH_SUPERUSER_URL"])
