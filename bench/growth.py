"""Measure what a hundred times the history costs queries for current records."""

import json

from data import Area
from installation import Installation
from limits import QUESTION
from load import RequestSet, get, post
from reading import keys_of
from rows import Row, Target, http_round

from convenor.security.principal import Role


async def rows(installation: Installation) -> list[Row]:
    """Measure, if there is more than one scale."""
    if len(installation.areas) == 1:
        return []
    small, large = [await _request_sets(installation, area) for area in installation.areas]
    return [
        Row(
            f"{name} of 1m",
            "of 10k",
            http_round(small[name]),
            http_round(large[name]),
            Target("at most", 1.5),
            "median_ms",
        )
        for name in small
    ]


async def _request_sets(installation: Installation, area: Area) -> dict[str, RequestSet]:
    port, health, commissioner = (
        installation.ports["service"],
        installation.token(Role.HEALTH_SYSTEM, area),
        installation.token(Role.COMMISSIONER, area),
    )
    keys = await keys_of(installation, area)
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
