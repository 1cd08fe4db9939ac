"""A backup of a running installation, restored elsewhere: what its partners and auditors rely on is as it was."""

import asyncio
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from support.api_client import pupil_referral
from support.backups import CATALOGUE, ask
from support.dataset import load_dataset
from support.installation import Installation

from convenor.backup import keys_path
from convenor.embedded_postgres.server import embedded_server, open_embedded
from convenor_auth.keys import make_keys


def say(_sentence: str) -> None:
    pass


class TestARunningInstallation:
    """With the embedded database, as its operator has it."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="cv-") as folder:
            yield Path(folder)

    @pytest.fixture
    def source(self, folder: Path) -> Iterator[Installation]:
        installation = Installation(folder / "source")
        yield installation
        installation.leave()

    @pytest.fixture
    def restored(self, folder: Path, source: Installation) -> Iterator[Installation]:
        """At the same address: tokens name it."""
        installation = Installation(folder / "restored", port=source.port)
        yield installation
        installation.leave()

    def test_an_installation_gives_its_partners_the_same_answers_after_a_restore_elsewhere(
        self, folder: Path, source: Installation, restored: Installation
    ) -> None:
        source.start()
        with open_embedded(source.data_dir, say=say) as server:
            dataset = asyncio.run(load_dataset(server.owner_url))
        school, auditor = dataset.wendshire.clients["school"], dataset.wendshire.clients["auditor"]

        def caller(client_id: str, secret: str, scope: str) -> dict[str, str]:
            answer = httpx2.post(
                f"{source.url}/oauth/token",
                data={"grant_type": "client_credentials", "scope": scope},
                auth=(client_id, secret),
                trust_env=False,
            )
            assert answer.status_code == 200, answer.text
            return {"Authorization": f"Bearer {answer.json()['access_token']}"}

        def get(path: str, headers: dict[str, str] | None = None) -> Any:
            answer = httpx2.get(f"{source.url}{path}", headers=headers, trust_env=False)
            assert answer.status_code == 200, answer.text
            return answer.json()

        def refer(key: str) -> httpx2.Response:
            return httpx2.post(
                f"{source.url}/v1/referrals",
                json=pupil_referral("SLT", upn=None, nhs_number=None, family_name=f"Ashgrove {key}"),
                headers=token | {"Idempotency-Key": key},
                trust_env=False,
            )

        token = caller(school.client_id, school.secret, "referrals:read referrals:write")
        made = refer("before")
        assert made.status_code == 201, made.text
        referrals, keys = get("/v1/referrals", token), get("/oauth/jwks")
        backup = folder / "backup"
        done = source.run("backup", str(backup))
        assert done.returncode == 0, done.stderr
        assert [stat.S_IMODE(each.stat().st_mode) for each in (backup, keys_path(backup))] == [0o600, 0o600]
        assert refer("after").status_code == 201
        assert source.stop() == 0

        done = restored.run("restore", str(backup))
        assert done.returncode == 0, done.stderr
        restored.start()
        assert get("/oauth/jwks") == keys
        assert get("/v1/referrals", token) == referrals, "by a token of before, with the pseudonyms of before"
        assert refer("before").content == made.content
        assert refer("another").status_code == 201
        events = caller(auditor.client_id, auditor.secret, "audit:read")
        assert made.headers["X-Request-ID"] in {each["request_id"] for each in get("/v1/audit/events", events)["data"]}
        assert restored.run("doctor").returncode == 0

        with open_embedded(source.data_dir, say=say):
            urls = [
                urlsplit(embedded_server(each.data_dir).superuser_url)._replace(path="/convenor").geturl()
                for each in (source, restored)
            ]
            before, after = (asyncio.run(ask(url, CATALOGUE)) for url in urls)
        assert after == before
        app_url = embedded_server(restored.data_dir).app_url
        assert asyncio.run(ask(app_url, "select count(*) from referral")) == (0,), "row-level security holds"
        assert restored.stop(signal.SIGTERM) == 0

    def test_an_installation_is_not_restored_into_while_it_serves(self, folder: Path, source: Installation) -> None:
        source.start()
        assert source.run("backup", str(folder / "backup")).returncode == 0
        refused = source.run("restore", str(folder / "backup"))
        assert (refused.returncode, "Convenor is already running" in refused.stderr) == (2, True)

    def test_an_installation_is_asked_for_where_there_is_none(self, folder: Path, source: Installation) -> None:
        make_keys(source.data_dir)
        refused = source.run("backup", str(folder / "backup"))
        assert (refused.returncode, "There is no database in" in refused.stderr) == (2, True)
        assert not (source.data_dir / "postgres").exists()
        assert not (folder / "backup").exists()
