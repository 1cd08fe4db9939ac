"""Measure a nested GraphQL query against the bare statement, and against the usual design."""

import json

from installation import Installation
from limits import QUESTION
from load import fetch, get, post
from rows import Row, Target, assert_equal, http_round

from convenor.security.principal import Role

USUAL = (
    "The statement alone, through rawpg, is not 20 times the dataloaders either: the database takes 7 of the 8"
    " milliseconds that a question costs. Tried: a flat record in the place of the nested one, `json_build_object`, text"
    " put together by hand, ids as arrays; kept: moments without `to_char`, ids as text."
)


async def rows(installation: Installation) -> list[Row]:
    """Measure, after asserting equal answers."""
    body = json.dumps({"query": QUESTION}).encode()
    raw = get(installation.ports["raw"], "/nested")
    usual = post(installation.ports["dataloaders"], "/graphql", body)
    service = post(installation.ports["service"], "/graphql", body, token=installation.token(Role.COMMISSIONER))
    await assert_equal("nested, dataloaders", usual, service)
    assert json.loads(await fetch(raw)) == json.loads(await fetch(service))["data"]["clusters"]
    return [
        Row("GraphQL, 5 x 20 x 20 x 5", "rawpg", http_round(raw), http_round(service), Target("at least", 0.70)),
        Row(
            "GraphQL, 5 x 20 x 20 x 5",
            "dataloaders",
            http_round(usual),
            http_round(service),
            Target("at least", 20),
            why=USUAL,
        ),
    ]
