"""The walkthrough against a running demo, over HTTP: the whole of it, twice, and what it does when a promise breaks."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import COMMAND, Installation

from convenor.cli.commands import first_call


def kill_while_it_loads(installation: Installation) -> None:
    """Leaves what a demo leaves that was killed: the next start loads it whole, as if nothing had been."""
    command = [COMMAND, "demo", "--no-serve"]
    with subprocess.Popen(command, env=installation.environment, stderr=subprocess.PIPE, text=True) as half:
        assert half.stderr is not None
        assert any("Storing Wendshire" in line for line in half.stderr)
        half.kill()


@pytest.fixture(scope="module")
def demo() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data")
        kill_while_it_loads(installation)
        loaded = installation.run("demo", "--no-serve")
        assert loaded.returncode == 0, loaded.stderr
        installation.start("demo")
        yield installation
        installation.leave()


def test_every_answer_is_as_the_walkthrough_promises_and_again(demo: Installation) -> None:
    for _ in range(2):
        walked = demo.run("tour", "--quiet")
        assert walked.returncode == 0, walked.stdout + walked.stderr
        assert "promises were kept" in walked.stdout


def test_a_broken_promise_ends_it_with_one_and_is_named(demo: Installation, tmp_path: Path) -> None:
    clients = json.loads((demo.data_dir / "demo-clients.json").read_text())
    for client in clients:
        client["client_secret"] = client["client_secret"] and "wrong"
    (tmp_path / "demo-clients.json").write_text(json.dumps(clients))
    walked = demo.run("tour", "--data-dir", str(tmp_path), "--base-url", demo.url)
    assert walked.returncode == 1
    assert "NOT AS PROMISED: 200 for: A token" in walked.stdout


def test_no_secret_is_shown_on_the_way(demo: Installation) -> None:
    walked = demo.run("tour")
    shown = walked.stdout
    assert walked.returncode == 0, shown[-2000:]
    for client in json.loads((demo.data_dir / "demo-clients.json").read_text()):
        assert not client["client_secret"] or client["client_secret"] not in shown
    assert "eyJ" not in "".join(word for word in shown.split() if len(word) > 100)


def test_the_first_call_that_the_demo_prints_works_in_a_shell(demo: Installation) -> None:
    lines = first_call(demo.url, demo.data_dir / "demo-clients.json")
    printed = subprocess.run(["sh", "-euc", lines], capture_output=True, text=True, check=True).stdout
    assert '"role":"school_mis"' in printed.replace(" ", "")
    assert '"area_of_need"' in printed


def test_what_the_demo_hands_out_is_for_its_owner_only(demo: Installation) -> None:
    assert (demo.data_dir / "demo-clients.json").stat().st_mode & 0o777 == 0o600
    assert demo.data_dir.stat().st_mode & 0o066 == 0
