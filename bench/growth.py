"""Measure what a hundred times the history costs queries for current records."""

import json

from data import Area
from installation import Installation
from limits import QUESTION
from load import Asked, get, post
from reading import keys_of
from rows import Row, Target, asking

from convenor.security.principal import Role


async def rows(there: Installation) -> list[Row]:
    """Measure, if there is more than one scale."""
    if len(there.areas) == 1:
        return []
    small, large = [await _asked(there, area) for area in there.areas]
    return [
        Row(f"{name} of 1m", "of 10k", asking(small[name]), asking(large[name]), Target("at most", 1.5), "median_ms")
        for name in small
    ]


async def _asked(there: Installation, area: Area) -> dict[str, Asked]:
    port, health, commissioner = (
        there.ports["service"],
        there.token(Role.HEALTH_SYSTEM, area),
        there.token(Role.COMMISSIONER, area),
    )
    keys = await keys_of(there, area)
    return {
        "by id": get(port, *(f"/v1/referrals/{key}" for key in keys), token=health),
        "list of 100": get(port, "/v1/referrals?limit=100", token=health),
        "list of 100 of the area": get(port, "/v1/referrals?limit=100", token=commissioner),
        "contacts of a referral": get(port, *(f"/v1/referrals/{key}/contacts" for key in keys), token=health),
        "nested": post(port, "/graphql", json.dumps({"query": QUESTION}).encode(), token=commissioner),
        "month by cluster": get(port, "/v1/insights/referrals?academic_year=2024/25", token=commissioner),
        "waits": get(port, "/v1/insights/waits", token=commissioner),
        "services": get(port, "/v1/services", token=commissioner),
    }
