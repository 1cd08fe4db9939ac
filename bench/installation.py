"""Set up a database with seeded areas and clients, and the measured servers, on loopback."""

import asyncio
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import limits
from data import Area, load

from convenor.embedded_postgres.server import open_embedded
from convenor.encryption import encrypt
from convenor.migrate import migrate
from convenor.security.principal import Grant, Role, RowAccess
from convenor_auth.keys import load_secret_keys, make_keys
from convenor_auth.principals import load_principal

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.clients import add_client, owner_session

SCOPES = {
    Role.HEALTH_SYSTEM: {"referrals:read", "contacts:read", "contacts:write"},
    Role.PROVIDER_PORTAL: {"contacts:write"},
    Role.COMMISSIONER: {"clusters:read", "schools:read", "services:read", "referrals:read", "insights:read"},
}
UVICORN = ["-m", "uvicorn", "--no-access-log", "--log-level", "error", "--factory"]
SERVED = str(Path(__file__).parent / "served.py")
APPLICATIONS = {
    "raw": [*UVICORN, "raw:make", "--port", "{port}"],
    "service": [SERVED, "{port}"],
    "without_audit": [SERVED, "{port}", "without_audit"],
    "dataloaders": [*UVICORN, "dataloaders:make", "--port", "{port}"],
}
"""By name, what Python runs."""


@dataclass
class Installation:
    """The measured servers: ports and process ids by application, and clients' secrets by (role, area)."""

    areas: list[Area]
    superuser_url: str
    app_url: str
    data_dir: Path
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    secrets: dict[tuple[Role, str], str] = field(default_factory=dict)

    @property
    def area(self) -> Area:
        """Return the measured area, which is the largest."""
        return self.areas[-1]

    def token(self, role: Role, area: Area | None = None) -> str:
        """Request an access token of an area's client, which lasts for the rows of one subject."""
        la_code = (area or self.area).la_code
        answer = httpx2.post(
            f"http://127.0.0.1:{self.ports['service']}/oauth/token",
            data={"grant_type": "client_credentials", "scope": " ".join(SCOPES[role])},
            auth=(f"{role}-{la_code}", self.secrets[role, la_code]),
        )
        token: str = answer.raise_for_status().json()["access_token"]
        return token


@contextmanager
def installed(areas: list[Area]) -> Iterator[Installation]:
    """Set up the installation, and remove it at the end."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data_dir = Path(folder)
        embedded = stack.enter_context(open_embedded(data_dir, say=lambda _sentence: None))
        migrate(embedded.owner_url, urlsplit(embedded.app_url).username or "")
        make_keys(data_dir)
        superuser_url = urlsplit(embedded.superuser_url)._replace(path=urlsplit(embedded.owner_url).path).geturl()
        installation = Installation(areas, superuser_url, embedded.app_url, data_dir)
        asyncio.run(load(superuser_url, areas))
        installation.secrets = asyncio.run(_clients(installation, embedded.owner_url))
        encrypt(embedded.app_url, embedded.owner_url, load_secret_keys(data_dir).sealer)
        installation.ports = {name: _free_port() for name in APPLICATIONS}
        environment = os.environ | {
            "BENCH_AREA": str(installation.area.id),
            "BENCH_STATEMENTS": str(data_dir / "statements"),
            "BENCH_SUPERUSER_URL": superuser_url,
            "BENCH_APP_URL": embedded.app_url,
            "BENCH_DATA_DIR": str(data_dir),
            "BENCH_ISSUER": f"http://127.0.0.1:{installation.ports['service']}",
            "PYTHONPATH": str(Path(__file__).parent),
        }
        # Start them at the same time, because each takes seconds to import.
        starting = {
            name: stack.enter_context(_server(application, installation.ports[name], environment))
            for name, application in APPLICATIONS.items()
        }
        for name, process in starting.items():
            _wait_until_it_listens(process, installation.ports[name])
            installation.processes[name] = process.pid
        yield installation


async def _clients(installation: Installation, owner_url: str) -> dict[tuple[Role, str], str]:
    """Register a client of each role in each area, write the limit's statements, and return the secrets."""
    secrets = {}
    async with owner_session(owner_url) as session:
        for area in installation.areas:
            for role, grant in (
                (Role.HEALTH_SYSTEM, Grant(area.id, RowAccess.PROVIDER, area.provider)),
                (Role.PROVIDER_PORTAL, Grant(area.id, RowAccess.PROVIDER, area.second_provider)),
                (Role.COMMISSIONER, Grant(area.id, RowAccess.AREA, area.id)),
            ):
                client_id = f"{role}-{area.la_code}"
                client = await add_client(session, role, [grant], client_id=client_id, scopes=SCOPES[role])
                secrets[role, area.la_code] = client.secret
    caller = f"{Role.COMMISSIONER}-{installation.area.la_code}"
    connection = await asyncpg.connect(owner_url)
    keys = load_secret_keys(installation.data_dir)
    principal = await load_principal(connection, caller, SCOPES[Role.COMMISSIONER], keys)
    await connection.close()
    assert principal
    (installation.data_dir / "statements").write_bytes(pickle.dumps(limits.statements(principal)))
    return secrets


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _server(application: list[str], port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, *(part.format(port=port) for part in application)]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, f"{process.args!r} did not start"
        time.sleep(0.05)
