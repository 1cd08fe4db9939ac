"""The page for a council that begins: followed word for word, and complete."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import COMMAND, PATIENCE_SECONDS, Installation

from convenor.importers.files import ROWS

PAGE = (Path(__file__).parents[2] / "docs/first-client.md").read_text(encoding="utf-8")
SERVE = "convenor serve\n"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / ".convenor")
    yield made
    made.leave()


def follow(installation: Installation, commands: list[str]) -> str:
    """Run commands of the page in its folder, and return what they print."""
    environment = installation.environment
    environment["PATH"] = f"{COMMAND.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(commands)],
        cwd=installation.data_dir.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_an_empty_installation_becomes_one_with_a_client_by_the_page(installation: Installation) -> None:
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    at = commands.index(SERVE)
    printed = follow(installation, commands[:at])
    installation.start(*SERVE.split()[1:])
    printed += follow(installation, commands[at + 1 :])
    for promised in "".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)).splitlines():
        assert " ".join(promised.split()) in printed
    assert "PLAY" not in printed


@pytest.mark.parametrize("kind", ROWS)
def test_the_page_names_every_column_and_those_that_say_which_kind_a_file_is(kind: str) -> None:
    row = ROWS[kind]
    (columns,) = re.findall(rf"^\| {kind} \| (.*?) \|", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"\*\*(\w+)\*\*", columns)) == row.needs
    for column in row.model_fields:
        assert re.search(rf"\b{column}\b", columns) or f"`{column}`" in PAGE
