"""The parent process: what it refuses, what it stops, and what survives when it, a worker or the database dies."""

import asyncio
import re
import resource
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from support.api_client import pupil_referral
from support.clients import Client
from support.dataset import load_dataset
from support.installation import Installation, wait_until

from convenor.embedded_postgres.process import postmaster
from convenor.embedded_postgres.server import open_embedded
from convenor_auth.keys import HASH_FILE, ID_FILE, PSEUDONYM_FILE, SIGNING_KEYS_FILE


@pytest.fixture
def installation() -> Iterator[Installation]:
    # A short path: the database's socket is in it.
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data")
        yield installation
        installation.leave()


@pytest.fixture
def school(installation: Installation) -> Client:
    """A service that runs on an installation with the tests' dataset in it, and one school of that dataset."""
    installation.start()

    with open_embedded(installation.data_dir, say=lambda _sentence: None) as server:
        return asyncio.run(load_dataset(server.owner_url)).wendshire.clients["school"]


@contextmanager
def authorised(installation: Installation, client: Client) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=installation.url, trust_env=False, timeout=30) as http:
        answer = http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": "referrals:read referrals:write"},
            auth=(client.client_id, client.secret),
        )
        assert answer.status_code == 200, answer.text
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield http


def try_to_refer(http: httpx2.Client) -> httpx2.Response:
    """Makes a referral of a pupil of its own, so that any number of them may be made."""
    key = str(uuid4())
    body = pupil_referral("SLT", upn=None, nhs_number=None, family_name=f"Ashgrove {key}")
    return http.post("/v1/referrals", json=body, headers={"Idempotency-Key": key})


def refer(http: httpx2.Client) -> str:
    made = try_to_refer(http)
    assert made.status_code == 201, made.text
    return str(made.json()["code"])


def codes(http: httpx2.Client) -> list[str]:
    return [each["code"] for each in http.get("/v1/referrals").json()["data"]]


class TestItIsRefused:
    def test_a_service_is_refused_a_port_in_use_and_starts_nothing(self, installation: Installation) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", installation.port))
            other.listen()
            refused = installation.run("serve")
        assert refused.returncode == 2
        assert f"cannot listen on 127.0.0.1, port {installation.port}" in refused.stderr
        assert "CONVENOR_PORT" in refused.stderr
        assert not (installation.data_dir / "postgres").exists()

    def test_a_second_service_on_the_same_folder_is_refused_and_told_who_serves(
        self, installation: Installation
    ) -> None:
        installation.start()
        assert installation.serving is not None
        refused = installation.run("serve")
        assert refused.returncode == 2
        assert f"process {installation.serving.pid} at {installation.url}" in refused.stderr
        assert installation.answers()

    @pytest.mark.parametrize(
        ("setting", "value", "reason"),
        [
            ("CONVENOR_PORT", "eighty", "CONVENOR_PORT"),
            ("CONVENOR_HOST", "nowhere.invalid", "cannot listen on nowhere.invalid"),
            ("CONVENOR_PUBLIC_URL", "http://convenor.example", "CONVENOR_PUBLIC_URL"),
            ("CONVENOR_WORKERS", "60", "CONVENOR_WORKERS"),
            ("CONVENOR_DATABASE_URL", "postgresql://app:hidden@127.0.0.1:1/convenor", "No PostgreSQL can be reached"),
        ],
    )
    def test_a_service_is_refused_a_setting_that_cannot_work(
        self, installation: Installation, setting: str, value: str, reason: str
    ) -> None:
        installation.settings[setting] = value
        refused = installation.run("serve")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert reason in refused.stderr
        assert "What to do" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert "hidden" not in refused.stderr
        assert installation.processes() == []


class TestKeysThatClientsRelyOn:
    @pytest.mark.parametrize("name", [SIGNING_KEYS_FILE, PSEUDONYM_FILE])
    def test_keys_that_clients_rely_on_are_missed_and_never_made_anew_unasked(
        self, installation: Installation, school: Client, name: str
    ) -> None:
        installation.stop()
        key_file = installation.data_dir / name
        lost = key_file.read_bytes()
        key_file.unlink()
        refused = installation.run("serve")
        assert (refused.returncode, f"{key_file} is missing" in refused.stderr) == (2, True), refused.stderr
        assert "--new-keys" in refused.stderr
        assert not key_file.exists()
        installation.start("serve", "--new-keys")
        assert key_file.read_bytes() != lost
        with authorised(installation, school) as http:
            assert codes(http) == []


class TestKeysOfIdentities:
    def test_a_lost_key_of_identities_is_missed_and_never_made_anew(
        self, installation: Installation, school: Client
    ) -> None:
        installation.stop()
        for name in (HASH_FILE, ID_FILE, "data-keys/1.key"):
            key_file = installation.data_dir / name
            lost = key_file.read_bytes()
            key_file.unlink()
            for arguments in (["serve"], ["serve", "--new-keys"]):
                refused = installation.run(*arguments)
                assert (refused.returncode, f"{key_file} is missing" in refused.stderr) == (2, True), refused.stderr
            assert not key_file.exists()
            key_file.write_bytes(lost)
        (installation.data_dir / HASH_FILE).write_bytes(bytes(32))
        refused = installation.run("serve")
        assert "is not the key that this database was written with" in " ".join(refused.stderr.split())


class TestItIsStopped:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_stopped_service_leaves_no_process_and_loses_nothing(
        self, installation: Installation, school: Client, how: signal.Signals
    ) -> None:
        with authorised(installation, school) as http:
            acknowledged = refer(http)
        assert installation.stop(how) == 0
        assert installation.processes() == []
        assert "Traceback" not in installation.output
        installation.start()
        with authorised(installation, school) as http:
            assert codes(http) == [acknowledged]

    def test_a_request_in_flight_is_answered_before_the_service_stops(
        self, installation: Installation, school: Client
    ) -> None:
        body = b"grant_type=client_credentials&scope=referrals%3Aread"
        login = httpx2.BasicAuth(school.client_id, school.secret)
        header = next(login.auth_flow(httpx2.Request("POST", installation.url))).headers["Authorization"]
        head = (
            f"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\nAuthorization: {header}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", installation.port), timeout=30) as line:
            line.sendall(head.encode())
            # The application asks for the body: from here on the request is in flight.
            assert line.recv(1000).startswith(b"HTTP/1.1 100")
            assert installation.serving is not None
            installation.serving.send_signal(signal.SIGTERM)
            wait_until(lambda: not listens(installation.port), "the service takes no more callers")
            line.sendall(body)
            answer = line.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"access_token" in answer
        assert installation.ended() == 0

    def test_a_service_with_several_workers_stops_and_leaves_no_process(self, installation: Installation) -> None:
        installation.settings["CONVENOR_WORKERS"] = "2"
        installation.start()
        assert installation.stop() == 0
        assert installation.processes() == []


class TestMoreCallersConnectThanItMayOpenFiles:
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_a_service_stays_ready_while_more_callers_connect_than_it_may_open_files(
        self, installation: Installation, workers: str
    ) -> None:
        installation.limits[resource.RLIMIT_NOFILE] = 256
        installation.settings["CONVENOR_WORKERS"] = workers
        installation.start()
        with ExitStack() as held:
            for _ in range(600):
                held.enter_context(socket.create_connection(("127.0.0.1", installation.port)))
            assert httpx2.get(f"{installation.url}/health/ready", trust_env=False, timeout=30).status_code == 200
        assert installation.stop() == 0
        assert re.findall("database (?:has|had|runs)", installation.output) == []


class TestSomethingDies:
    def test_every_acknowledged_write_is_there_after_the_service_was_killed(
        self, installation: Installation, school: Client
    ) -> None:
        with authorised(installation, school) as http:
            acknowledged = [refer(http) for _ in range(5)]
        assert installation.stop(signal.SIGKILL) == -signal.SIGKILL
        installation.start()
        with authorised(installation, school) as http:
            assert sorted(codes(http)) == sorted(acknowledged)

    def test_a_killed_database_is_started_again_and_the_service_stays_up(
        self, installation: Installation, school: Client
    ) -> None:
        with authorised(installation, school) as http:
            acknowledged = refer(http)
            database = postmaster(installation.data_dir / "postgres")
            assert database is not None
            database.kill()
            statuses: set[int] = set()

            def is_back() -> bool:
                statuses.add(http.get("/v1/referrals").status_code)
                return 200 in statuses

            wait_until(is_back, "the service reads again")
            assert statuses <= {200, 503}
            assert codes(http) == [acknowledged]
            wait_until(lambda: try_to_refer(http).status_code == 201, "the service writes again")

    def test_the_workers_end_with_a_parent_that_was_killed(self, installation: Installation) -> None:
        installation.settings["CONVENOR_WORKERS"] = "2"
        installation.start()
        installation.stop(signal.SIGKILL)
        wait_until(lambda: not listens(installation.port), "the workers give up the port")
        installation.start()
        assert installation.stop() == 0
        assert installation.processes() == []


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
