"""What ends in the database ends for a token that a worker remembers, over HTTP."""

import asyncio
from typing import Any

import asyncpg
import pytest
from support.api_client import Service

NEVER_SECONDS = 240
"""Less than a token lives, and far more than a notification takes."""


@pytest.mark.parametrize(
    ("statement", "status", "problem"),
    [
        (
            "update data_sharing_agreement a set starts_on = '2020-09-01', ends_on = '2021-07-31'"
            " from client c where c.client_id = $1 and a.id = c.agreement_id",
            403,
            "agreement_ended",
        ),
        ("update client set ended_at = now() where client_id = $1", 401, "unauthenticated"),
    ],
)
async def test_what_a_client_may_do_ends_under_a_token_that_is_remembered(
    service: Service, statement: str, status: int, problem: str
) -> None:
    board, finance = service.as_("board"), service.as_("finance")
    verifier: Any = service.services.verifier
    async with asyncio.timeout(NEVER_SECONDS):
        while not verifier.watching:  # noqa: ASYNC110 - it knows no event
            await asyncio.sleep(0)
    for caller in (board, finance):
        assert (await caller.get("/v1/me")).status_code == 200
    owner = await asyncpg.connect(service.superuser_url)
    await owner.execute(statement, board.client.client_id)
    await owner.close()
    async with asyncio.timeout(NEVER_SECONDS):
        while (answer := await board.get("/v1/me")).status_code == 200:
            pass
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, problem)
    assert (await finance.get("/v1/me")).status_code == 200
