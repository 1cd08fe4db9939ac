"""The limit: a bare ASGI application that runs the same select on asyncpg and returns its bytes."""

import os
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg

from convenor.kit.principal import Wall
from convenor.kit.reading.columns import Binder, Columns
from convenor.referrals.resource import REFERRALS

PASSED = frozenset({Wall.IDENTITY, Wall.NHS_NUMBER})


def statements() -> tuple[str, str]:
    """By id and list, over the same columns as the reading machine's for a health system."""
    binder = Binder([])
    key = binder.bind("pseudonym_key", "bytea")
    assert key == "$1::bytea"
    columns = Columns(PASSED, binder).of_resource(REFERRALS, None)
    one = f"select convert_to(row_to_json(r)::text, 'UTF8') from (select {columns} from referral t where t.area_id = $2 and t.id = $3) r"
    many = (
        f"select convert_to(json_agg(r)::text, 'UTF8') from (select {columns} from referral t"
        " where t.area_id = $2 and t.provider_id = $3 order by t.submitted_at desc, t.id desc limit $4) r"
    )
    return one, many


class Raw:
    """Answers `/one/{id}` and `/list?limit=n`, and `/nothing` without the database."""

    def __init__(self) -> None:
        self.pool: asyncpg.Pool | None = None
        self.one, self.many = statements()
        self.area, self.provider = UUID(os.environ["BENCH_AREA"]), UUID(os.environ["BENCH_PROVIDER"])
        self.key = bytes.fromhex(os.environ["BENCH_PSEUDONYM_KEY"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.pool = await asyncpg.create_pool(
                os.environ["BENCH_SUPERUSER_URL"],
                min_size=10,
                max_size=10,
                reset=_keep,
                server_settings={"jit": "off", "timezone": "UTC"},
            )
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert self.pool
        path = scope["path"]
        if path.startswith("/one/"):
            body = await self.pool.fetchval(self.one, self.key, self.area, UUID(path[5:]))
        elif path == "/list":
            limit = int(parse_qs(scope["query_string"].decode())["limit"][0])
            body = await self.pool.fetchval(self.many, self.key, self.area, self.provider, limit)
        else:
            body = b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _keep(_connection: Any) -> None:
    return None


app = Raw() if "BENCH_AREA" in os.environ else None
