"""A demo stays on its machine and apart from any installation: what the commands refuse, and with which remedy."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest
from support.api_client import Caller, Service
from support.databases import ISSUER, Server, named
from support.empty_databases import Empty
from support.installation import Installation

from convenor.app import create_app
from convenor_auth.keys import make_keys

PUBLIC = {"CONVENOR_PUBLIC_URL": "https://convenor.example"}
EVERYWHERE = {"CONVENOR_HOST": "0.0.0.0", "CONVENOR_PUBLIC_URL": "http://127.0.0.1:8000"}


@pytest.fixture
def installation(tmp_path: Path, server: Server, service: Service) -> Iterator[Installation]:
    """An installation on a PostgreSQL server of its own, with both logins and the tests' dataset."""
    owner_url = named(server.owner_url, urlsplit(service.app_url).path[1:])
    urls = {"CONVENOR_DATABASE_URL": service.app_url, "CONVENOR_OWNER_DATABASE_URL": owner_url}
    installation = Installation(tmp_path / "data", settings=urls)
    installation.data_dir.mkdir(mode=0o700)
    make_keys(installation.data_dir)
    yield installation
    installation.leave()


@pytest.fixture
async def demo(installation: Installation, service: Service) -> Installation:
    """The same, marked as a demo's."""
    owner = await asyncpg.connect(service.superuser_url)
    await owner.execute("insert into demo (id, seed, as_at) values (true, 1, $1)", date(2026, 3, 2))
    await owner.close()
    return installation


@pytest.fixture
def bare() -> Iterator[Installation]:
    """An installation with the embedded database, which was never started."""
    # A short path: the database's socket is in it.
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data")
        yield installation
        installation.leave()


def ask(installation: Installation, client: dict[str, Any]) -> httpx2.Response:
    """Request a token as a client of the demo."""
    login = client["client_id"], client["client_secret"]
    form = {"grant_type": "client_credentials", "scope": " ".join(client["scopes"])}
    return httpx2.post(f"{installation.url}/oauth/token", data=form, auth=login, trust_env=False, timeout=60)


def refused(installation: Installation, *command: str) -> str:
    """What a command says that a person must mend something before."""
    done = installation.run(*command)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert "What to do" in done.stderr
    return done.stderr


def test_an_installation_gets_no_demo(installation: Installation) -> None:
    message = refused(installation, "demo", "--no-serve")
    assert "do not belong to a demo" in message
    assert "CONVENOR_DATA_DIR" in message
    assert not (installation.data_dir / "demo-clients.json").exists()


def test_options_of_another_demo_are_not_ignored(demo: Installation) -> None:
    for options in (["--seed", "2"], ["--as-at", "2026-03-03"]):
        assert "--seed 1 --as-at 2026-03-02" in refused(demo, "demo", "--no-serve", *options)
    assert demo.run("demo", "--no-serve", "--seed", "1", "--as-at", "2026-03-02").returncode == 0


@pytest.mark.parametrize(("settings", "workers"), [(PUBLIC, "1"), (EVERYWHERE, "2")], ids=["public", "everywhere"])
def test_a_demo_is_not_served_beyond_its_machine(demo: Installation, settings: dict[str, str], workers: str) -> None:
    demo.settings |= settings | {"CONVENOR_WORKERS": workers}
    # Not even with the application's login alone.
    del demo.settings["CONVENOR_OWNER_DATABASE_URL"]
    assert "A demo is for this machine only" in refused(demo, "serve")
    ill = demo.run("doctor")
    assert ill.returncode == 1
    assert "\nwrong  data " in ill.stdout


def test_a_demo_is_served_on_its_machine_by_several_workers_too(demo: Installation) -> None:
    demo.settings["CONVENOR_WORKERS"] = "2"
    demo.start()
    well = demo.run("doctor")
    assert well.returncode == 0, well.stdout
    assert "\nok     data " in well.stdout
    assert demo.stop() == 0


def test_an_installation_is_served_to_everybody(installation: Installation) -> None:
    installation.settings |= EVERYWHERE | PUBLIC
    installation.start()
    assert "data  " not in installation.run("doctor").stdout
    assert installation.stop() == 0


@pytest.mark.parametrize("settings", [PUBLIC, EVERYWHERE], ids=["public", "everywhere"])
def test_a_demo_is_not_loaded_where_it_would_not_be_served(bare: Installation, settings: dict[str, str]) -> None:
    bare.settings |= settings
    for command in (("demo",), ("demo", "--no-serve")):
        assert "A demo is for this machine only" in refused(bare, *command)
    assert not bare.data_dir.exists()


def test_the_doctor_finds_a_demo_whose_database_is_stopped(bare: Installation) -> None:
    bare.data_dir.mkdir(mode=0o700)
    clients = bare.data_dir / "demo-clients.json"
    clients.touch(mode=0o600)
    assert "\nok     data " in bare.run("doctor").stdout
    bare.settings |= PUBLIC
    ill = bare.run("doctor")
    assert (ill.returncode, "\nwrong  data " in ill.stdout) == (1, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_demo_that_is_loaded_beside_a_service_for_everybody_cannot_call_it(
    tmp_path: Path, server: Server, empty: Empty, workers: str
) -> None:
    urls = {
        "CONVENOR_DATABASE_URL": named(server.app_url, urlsplit(empty.owner_url).path[1:]),
        "CONVENOR_OWNER_DATABASE_URL": empty.owner_url,
    }
    service = Installation(tmp_path / "service", settings=urls | PUBLIC | {"CONVENOR_WORKERS": workers})
    demo = Installation(tmp_path / "demo", settings=urls)
    try:
        service.start()
        # Two folders of one database have the same keys of identities.
        shutil.copytree(service.data_dir, demo.data_dir, ignore=shutil.ignore_patterns("serve.lock"))
        loaded = demo.run("demo", "--no-serve")
        assert loaded.returncode == 0, loaded.stderr
        clients = json.loads((demo.data_dir / "demo-clients.json").read_text())
        client = next(each for each in clients if each["client_secret"])
        answer = ask(service, client)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "holds a demo" in answer.json()["error_description"]
        demo.start()
        assert ask(demo, client).status_code == 200
    finally:
        service.leave()
        demo.leave()


async def test_a_token_of_a_demo_opens_a_service_for_its_machine_alone(service: Service) -> None:
    school = service.as_("school")
    await school.authorise()
    owner = await asyncpg.connect(service.superuser_url)
    await owner.execute("insert into demo (id) values (true)")
    await owner.close()
    refused = await school.get("/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    app = create_app(service.app_url, service.data_dir, ISSUER, local=True)
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
        local = Caller(http, school.client, school.token)
        assert (await local.get("/v1/me")).status_code == 200
        await local.authorise()
