"""A connection to the database that the network loses without a word costs its requests, and never the worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest
from support.api_client import Service, pupil_referral
from support.databases import ISSUER
from support.lossy_network import Network, lossy_network

from convenor.app import create_app
from convenor.audit import writer
from convenor.configuration_error import ConfigurationError
from convenor.database import pools
from convenor.http.middleware import limits
from convenor.http.services import AppServices
from convenor.startup_errors import explain_failure

READY = "/health/ready"


@pytest.fixture
async def network(service: Service) -> AsyncIterator[Network]:
    async with lossy_network(service.app_url) as network:
        yield network


@asynccontextmanager
async def serve_over(network: Network, service: Service) -> AsyncIterator[Service]:
    """Another worker on the same database, with the network between them."""
    app = create_app(network.url, service.data_dir, ISSUER)
    transport = httpx2.ASGITransport(app=app)
    async with (
        asyncio.timeout(200),
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
    ):
        yield Service(http, service.dataset, network.url, service.superuser_url, app, service.data_dir)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.5)
    monkeypatch.setattr(pools, "CONTROL_SECONDS", 0.5)
    # PostgreSQL does not learn of a lost connection, and keeps its locks until this ends.
    monkeypatch.setitem(pools._SERVER_SETTINGS, "idle_in_transaction_session_timeout", "3000")


async def test_a_lost_audit_connection_costs_one_flush_and_the_service_goes_on(
    service: Service, network: Network, impatient: None
) -> None:
    async with serve_over(network, service) as worker:
        school = worker.as_("school")
        assert (await school.get("/v1/me")).status_code == 200
        network.lose(b"insert into audit_event")
        refused = await school.get("/v1/me")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        network.mend()
        not_ready = await worker.http.get(READY)
        assert (not_ready.status_code, not_ready.json()["checks"]["audit"]) == (503, "failed")
        writer_ = AppServices.of(worker.app).audit_writer
        async with asyncio.timeout(100):
            while (await school.get("/v1/me")).status_code != 200:
                pass
        assert not writer_.is_failing


async def test_a_service_is_not_ready_while_a_flush_waits(
    service: Service, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SLOW_SECONDS", 0)
    async with serve_over(network, service) as worker:
        school = worker.as_("school")
        assert (await school.get("/v1/me")).status_code == 200
        lost = network.lose(b"insert into audit_event")
        asked = asyncio.create_task(school.get("/v1/me"))
        await lost.wait()
        network.mend()
        answer = await worker.http.get(READY)
        assert (answer.status_code, answer.json()["checks"]["audit"]) == (503, "failed")
        asked.cancel()
        await asyncio.wait([asked])


@pytest.mark.parametrize("statement", [b"insert into audit_event", b"UPDATE referral", b"ROLLBACK", b"COMMIT"])
async def test_a_change_whose_connection_is_lost_is_503_and_the_writer_is_free_again(
    service: Service, network: Network, impatient: None, monkeypatch: pytest.MonkeyPatch, statement: bytes
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 5)
    async with serve_over(network, service) as worker:
        trust = worker.as_("trust")
        await trust.authorise()
        # By the other worker: this one's writers have sent nothing yet.
        made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
        path = f"{made.headers['Location']}/transitions"
        lost = network.lose(statement)
        etag = '"7"' if statement == b"ROLLBACK" else '"1"'
        await trust.post(path, {"to": "accepted"}, etag=etag)
        assert lost.is_set()
        network.mend()
        assert AppServices.of(worker.app).sessions.kw["bind"].pool.checkedout() == 0
        async with asyncio.timeout(100):
            while (await trust.post(path, {"to": "accepted"}, etag='"1"')).status_code not in (200, 412):
                pass


@pytest.mark.parametrize("setting", [b"statement_timeout", b"idle_in_transaction_session_timeout"])
async def test_a_start_behind_a_pooler_that_drops_the_limits_is_refused(
    service: Service, network: Network, setting: bytes
) -> None:
    network.drops = setting
    with pytest.raises(ConfigurationError, match=f"ignores {setting.decode()}, as a .*pooler.*\nSet CONVENOR_DATABASE"):
        async with serve_over(network, service):
            pass


async def test_a_start_behind_a_pooler_that_loses_prepared_statements_is_refused(service: Service) -> None:
    connection = await asyncpg.connect(service.app_url)
    try:
        await connection.fetchval("select 1")
        await connection.execute("deallocate all; prepare another as select 2")
        for call in (connection.fetchval("select 1"), connection.execute("prepare another as select 2")):
            with (
                pytest.raises(ConfigurationError, match=r"changes the session between statements, as a .*pooler"),
                explain_failure("Convenor cannot start", "Correct that."),
            ):
                await call
    finally:
        await connection.close()


async def test_a_worker_stops_although_the_network_has_lost_every_connection(
    service: Service, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CLOSE_SECONDS", 0.1)
    async with serve_over(network, service) as worker:
        school = worker.as_("school")
        assert (await school.get("/v1/me")).status_code == 200
        assert (await school.post("/v1/referrals", pupil_referral("SLT"))).status_code == 201
        assert (await worker.http.get(READY)).status_code == 200
        network.lose(b"")
