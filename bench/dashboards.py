"""Measure a table of months by clusters, from the stored counts, against a scan that counts."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from data import LARGE
from installation import Installation
from load import Measured
from rows import Round, Row, Target
from scale import SCALE

from convenor.domain_types.dates import AcademicYear
from convenor.insights.queries import months_of
from convenor.security.principal import Role
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal

YEAR = AcademicYear(2024)
SCAN = """
select to_char(date_trunc('month', r.submitted_at at time zone 'Europe/London'), 'YYYY-MM') as month, c.code as cluster,
    count(*) as referrals
from referral r join cluster c on c.area_id = r.area_id and c.id = r.cluster_id where r.area_id = $1 group by 1, 2
"""


async def rows(installation: Installation) -> list[Row]:
    """Measure, after asserting equal answers for the requested year."""
    app, admin = await asyncpg.connect(installation.app_url), await asyncpg.connect(installation.superuser_url)
    principal = await load_principal(
        app,
        f"{Role.COMMISSIONER}-{installation.area.la_code}",
        frozenset({"insights:read"}),
        load_secret_keys(installation.data_dir),
    )
    assert principal

    async def from_counts() -> Any:
        return await months_of(app, principal, installation.area.id, YEAR.first_day, YEAR.last_day)

    async def scanned() -> Any:
        return await admin.fetch(SCAN, installation.area.id)

    months = {f"{month:%Y-%m}" for month in YEAR.months}
    counted = [tuple(row) for row in await scanned() if row["month"] in months]
    shown = [(row["month"], row["cluster"], row["referrals"]) for row in (await from_counts())[2]]
    assert sorted(shown) == sorted(counted), "month by cluster: the answers differ"
    ratio = 1 / 50 if installation.area is LARGE else 1
    return [
        Row("month by cluster", "a scan", _round(scanned), _round(from_counts), Target("at most", ratio), "median_ms")
    ]


def _round(ask: Callable[[], Awaitable[Any]]) -> Round:
    async def measure() -> Measured:
        times: list[float] = []
        while sum(times) < SCALE.seconds:
            start = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - start)
        return Measured.of(times, sum(times))

    return measure
