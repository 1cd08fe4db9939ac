"""Measure the memory of the service's worker after all other measurements, under load."""

import asyncio

import psutil
from installation import Installation
from load import get, measure
from rows import CONNECTIONS, Target, line
from scale import SCALE

from convenor.security.principal import Role

MOST_MB = 120
WHY = (
    "Code is 105 MB of it before the first request, after Alembic was left to those who migrate; without a bulk load"
    " before it is 113 MB."
)


async def measured(installation: Installation) -> str:
    """Measure the proportional set size, or else the resident set."""
    request_set = get(
        installation.ports["service"], "/v1/referrals?limit=100", token=installation.token(Role.HEALTH_SYSTEM)
    )
    load = asyncio.create_task(measure(request_set, CONNECTIONS, SCALE.seconds))
    await asyncio.sleep(SCALE.seconds / 2)
    info = psutil.Process(installation.processes["service"]).memory_full_info()
    held = getattr(info, "pss", info.rss) / 1e6
    await load
    verdict = Target("at most", MOST_MB).verdict(held, WHY)
    return line("memory of a worker", "", f"{held:.0f} MB", "", f"at most {MOST_MB} MB", verdict)
