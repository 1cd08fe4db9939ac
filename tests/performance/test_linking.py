"""What linking reads where many pupils have one number: it grows with the pupils, and not with their pairs."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from support.api_client import Service
from support.databases import Server, serve
from support.dataset import Dataset
from support.query_plans import Measured
from support.seeded_rows import seed

from convenor.database.row_security import context_sql, worker_context
from convenor.pupil_matches.linking import near_of, relink

PUPILS = 1_000
MOST_BLOCKS = 40
"""For each pupil: a few look-ups by index, and none for each other pupil of the group."""
SOURCES = {
    "school": "update pupil_statement set nhs_number_hash = sha256('a number') where pupil_id = any($1)",
    "service": (
        "update traced_number set nhs_number_hash = sha256('a number')"
        " where referral_id in (select id from referral where pupil_id = any($1))"
    ),
}
AS_SEEDED = """
    delete from pending_work; delete from decided_pupil; delete from pupil_decision; delete from person_link;
    delete from pupil_match; update pupil_statement set nhs_number_hash = null;
    update traced_number set nhs_number_hash = null;
"""
DECISION = """
    insert into pupil_decision (area_id, id, match_id, decision, reason, client_id, organisation, decided_at)
    select area_id, $1, id, 'keep_apart', 'Invented.', 'a client', 'an organisation', now() from pupil_match
"""
DECIDED = """
    insert into decided_pupil (area_id, decision_id, pupil_id, stated)
    select $1, $2, pupil_id, '{}' from unnest($3::uuid[]) pupil_id
"""


@pytest.fixture(scope="module")
async def seeded(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    async with serve(server, dataset) as service:
        await seed(service.superuser_url, service.area())
        yield service


async def _blocks_of_group(service: Service, who: str) -> int:
    """Return how many blocks are read to find pupils with one number, who are in one match and in one decision."""
    area, decision = service.area().id, uuid4()
    admin = await asyncpg.connect(service.superuser_url)
    worker = await asyncpg.connect(service.app_url, server_settings={"jit": "off"})
    # What a test changes adds no work for the service's worker.
    await admin.execute("set session_replication_role = replica")
    await admin.execute(AS_SEEDED)
    chosen = "select pupil_id from referral where area_id = $1 order by submitted_at limit $2"
    pupils = [row["pupil_id"] for row in await admin.fetch(chosen, area, PUPILS)]
    await admin.execute(SOURCES[who], pupils)
    async with worker.transaction():
        await worker.execute(f"select {context_sql()}", *worker_context(area))
        await relink(worker, area, pupils[:1])
    await admin.execute(DECISION, decision)
    await admin.execute(DECIDED, area, decision, pupils)
    await admin.execute("vacuum analyze")
    async with worker.transaction():
        await worker.execute(f"select {context_sql()}", *worker_context(area))
        assert set(await near_of(worker, area, pupils[:1])) == set(pupils)
        measured = Measured(worker)
        await near_of(measured, area, pupils[:1])
    await worker.close()
    await admin.close()
    return measured.blocks


@pytest.mark.parametrize("who", SOURCES)
async def test_what_connects_a_large_group_is_read_once_for_each_of_its_pupils(seeded: Service, who: str) -> None:
    assert await _blocks_of_group(seeded, who) <= MOST_BLOCKS * PUPILS
