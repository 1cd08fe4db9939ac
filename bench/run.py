"""Measures this service against the limit, in one run, and writes `results.md`."""

import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx2
from data import load
from load import Measured, fetch, measure
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from convenor.kit.embedded import open_embedded
from convenor.kit.principal import Grant, Role
from convenor.migrate import migrate
from convenor_auth.clients import create_client
from convenor_auth.keys import load_pseudonym_secret, pseudonym_key
from convenor_auth.models import DataSharingAgreement, Organisation

HERE = Path(__file__).parent
AREA = UUID("019a0000-0000-7000-8000-0000000000b1")
REFERRALS = {"10k": 10_000, "1m": 1_000_000}[os.environ.get("SCALE", "10k")]
ROUNDS, SECONDS, CONNECTIONS = 5, 3.0, 16


@dataclass(frozen=True)
class Row:
    """One measure: the limit and the service answering the same question."""

    name: str
    target: float
    limit: list[bytes]
    service: list[bytes]


def main() -> None:
    """Runs everything."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data_dir = Path(folder)
        embedded = stack.enter_context(open_embedded(data_dir, say=lambda _sentence: None))
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        superuser_url = urlsplit(embedded.superuser_url)._replace(path=urlsplit(embedded.owner_url).path).geturl()
        asyncio.run(load(superuser_url, AREA, REFERRALS))
        provider, secret, key = asyncio.run(_client(embedded.owner_url, superuser_url, data_dir))
        raw_port, service_port = _free_port(), _free_port()
        environment = os.environ | {
            "BENCH_AREA": str(AREA),
            "BENCH_PROVIDER": str(provider),
            "BENCH_PSEUDONYM_KEY": key.hex(),
            "BENCH_SUPERUSER_URL": superuser_url,
            "BENCH_APP_URL": embedded.app_url,
            "BENCH_DATA_DIR": str(data_dir),
            "BENCH_ISSUER": f"http://127.0.0.1:{service_port}",
            "PYTHONPATH": str(HERE),
        }
        stack.enter_context(_server("raw:app", raw_port, environment))
        stack.enter_context(_server("served:app", service_port, environment))
        report = asyncio.run(_measure_all(raw_port, service_port, superuser_url, secret))
    (HERE / "results.md").write_text(report)
    print(report)


async def _client(owner_url: str, superuser_url: str, data_dir: Path) -> tuple[UUID, str, bytes]:
    reading = await asyncpg.connect(superuser_url)
    provider = await reading.fetchval("select id from provider where name = 'Provider 2'")
    await reading.close()
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(owner_url)
    )
    async with AsyncSession(engine) as session, session.begin():
        organisation = Organisation(name="Bench trust", kind="health")
        session.add(organisation)
        await session.flush()
        agreement = DataSharingAgreement(
            organisation_id=organisation.id,
            reference="DSA-BENCH",
            purpose="measuring",
            legal_basis="none",
            starts_on=date(2020, 1, 1),
        )
        session.add(agreement)
        await session.flush()
        created = await create_client(
            session,
            organisation=organisation,
            agreement=agreement,
            role=Role.HEALTH_SYSTEM,
            scopes=frozenset({"referrals:read"}),
            grants=[Grant(AREA, "provider", provider)],
            client_id="bench",
        )
        key = pseudonym_key(load_pseudonym_secret(data_dir), organisation.id)
    await engine.dispose()
    assert created.secret
    return provider, created.secret, key


async def _measure_all(raw_port: int, service_port: int, superuser_url: str, secret: str) -> str:
    reading = await asyncpg.connect(superuser_url)
    ids = [
        str(row[0])
        for row in await reading.fetch(
            "select id from referral where provider_id = (select id from provider where name = 'Provider 2') order by md5(id::text) limit 500"
        )
    ]
    await reading.close()
    answer = httpx2.post(
        f"http://127.0.0.1:{service_port}/oauth/token",
        data={"grant_type": "client_credentials", "scope": "referrals:read"},
        auth=("bench", secret),
    )
    bearer = f"Authorization: Bearer {answer.json()['access_token']}\r\n"
    rows = [
        Row("by id", 0.40, [_get(f"/one/{key}") for key in ids], [_get(f"/v1/referrals/{key}", bearer) for key in ids]),
        Row("list of 100", 0.60, [_get("/list?limit=100")], [_get("/v1/referrals?limit=100", bearer)]),
    ]
    lines = [
        f"# Measured {date.today()}",
        "",
        f"{REFERRALS:,} referrals; {CONNECTIONS} connections, {ROUNDS} interleaved rounds of {SECONDS:g} s; database, servers",
        f"and load on one machine of {os.cpu_count()} cores ({platform.machine()}, Python {platform.python_version()}).",
        "",
        "| what | limit (rawpg) /s | service /s | ratio (median; least to most) | target | p99 limit / service ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        await _assert_equal(row, raw_port, service_port)
        limits: list[Measured] = []
        services: list[Measured] = []
        await measure(raw_port, row.limit, CONNECTIONS, 1)
        await measure(service_port, row.service, CONNECTIONS, 1)
        for _ in range(ROUNDS):
            limits.append(await measure(raw_port, row.limit, CONNECTIONS, SECONDS))
            services.append(await measure(service_port, row.service, CONNECTIONS, SECONDS))
        ratios = [ours.per_second / most.per_second for ours, most in zip(services, limits, strict=True)]
        lines.append(
            f"| {row.name} | {_median(limits, 'per_second'):.0f} | {_median(services, 'per_second'):.0f}"
            f" | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {row.target:.2f}"
            f" | {_median(limits, 'p99_ms'):.1f} / {_median(services, 'p99_ms'):.1f} |"
        )
    return "\n".join(lines) + "\n"


async def _assert_equal(row: Row, raw_port: int, service_port: int) -> None:
    raw = json.loads(await fetch(raw_port, row.limit[0]))
    ours = json.loads(await fetch(service_port, row.service[0]))
    assert raw == (ours["data"] if "data" in ours else ours), f"{row.name}: the answers differ"


def _median(measured: list[Measured], name: str) -> float:
    return statistics.median(getattr(one, name) for one in measured)


def _get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _server(app: str, port: int, environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "error"]
    process = subprocess.Popen(command, env=environment)
    try:
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{app} did not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(15)


if __name__ == "__main__":
    main()
