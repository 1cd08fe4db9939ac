"""Measure reads of referrals: by id, in lists, nested and deep in a list, and the cost of the audit."""

import base64
import json

import asyncpg
from data import Area
from installation import Installation
from load import RequestSet, get
from rows import Row, Target, assert_equal, http_round

from convenor.security.principal import Role

PAGE = 50


async def keys_of(installation: Installation, area: Area) -> list[str]:
    """Return the ids of five hundred referrals that the provider's system may see, spread over the table."""
    return await _column(
        installation,
        "select id::text from referral where area_id = $1 and provider_id = $2 order by md5(id::text) limit 500",
        area.id,
        area.provider,
    )


P99 = (
    "rawpg is over it too: with sixteen connections on two cores a read waits for the fifteen others. Tried: reads found"
    " past the framework's routing, connections without a pool's tasks, mentions written once in a span."
)


async def rows(installation: Installation) -> list[Row]:
    """Measure, after asserting equal answers."""
    token, keys = installation.token(Role.COMMISSIONER), await keys_of(installation, installation.area)
    one, many = [f"/v1/referrals/{key}" for key in keys], "/v1/referrals?limit=100"
    raw, service, without = [installation.ports[name] for name in ("raw", "service", "without_audit")]
    by_id, by_list = get(service, *one, token=token), get(service, many, token=token)
    raw_id, raw_list = get(raw, *(f"/one/{key}" for key in keys)), get(raw, "/list")
    id_without, list_without = get(without, *one, token=token), get(without, many, token=token)
    await assert_equal("by id", raw_id, by_id)
    await assert_equal("list of 100", raw_list, by_list)
    await assert_equal("by id without audit", id_without, by_id)
    await assert_equal("list without audit", list_without, by_list)
    identified = get(service, many, token=installation.token(Role.HEALTH_SYSTEM))
    return [
        Row("by id", "rawpg", http_round(raw_id), http_round(by_id), Target("at least", 0.40)),
        Row("list of 100", "rawpg", http_round(raw_list), http_round(by_list), Target("at least", 0.60)),
        Row("by id, audited", "without audit", http_round(id_without), http_round(by_id), Target("at least", 0.65)),
        Row(
            "list of 100, audited",
            "without audit",
            http_round(list_without),
            http_round(by_list),
            Target("at least", 0.65),
        ),
        Row(
            "by id, p99", "bare ASGI", http_round(get(raw, "/")), http_round(by_id), Target("at most", 4), "p99_ms", P99
        ),
        Row(
            "list of 100, with identities",
            "without identities",
            http_round(by_list),
            http_round(identified),
            Target("at least", 0.5),
        ),
        await _deep(installation),
    ]


async def _deep(installation: Installation) -> Row:
    token, port, area = installation.token(Role.COMMISSIONER), installation.ports["service"], installation.area
    before = area.referrals * 9 // 10
    last = await _column(
        installation,
        "select submitted_at::text || ' ' || id from referral where area_id = $1"
        f" order by submitted_at desc, id desc offset {before - 1} limit 1",
        area.id,
    )
    first = get(port, f"/v1/referrals?limit={PAGE}", token=token)
    place = json.dumps(["-submitted_at", *last[0].rsplit(" ", 1)]).encode()
    cursor = base64.urlsafe_b64encode(place).decode().rstrip("=")
    deep: RequestSet = get(port, f"/v1/referrals?limit={PAGE}&cursor={cursor}", token=token)
    name = f"page {before // PAGE + 1:,} of {PAGE}"
    return Row(name, "page 1", http_round(first), http_round(deep), Target("at most", 1.3), "median_ms")


async def _column(installation: Installation, statement: str, *values: object) -> list[str]:
    connection = await asyncpg.connect(installation.superuser_url, server_settings={"timezone": "UTC"})
    found = await connection.fetch(statement, *values)
    await connection.close()
    return [row[0] for row in found]
