"""Every target of the Makefile does what `make help` says of it; none reinstalls what is installed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from support.installation import Installation

from convenor.database.login import OLDEST_MAJOR_VERSION

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MAKE = ["make", "--old-file=.venv/installed", f"BIN={BIN}"]
"""With the environment that runs the tests, which counts as installed whatever its stamp says."""
MAKEFILE = (ROOT / "Makefile").read_text().replace("\\\n", "")
PHONY = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
EXERCISED: dict[str, str] = {}
"""The test that exercises each target."""


def exercises(*targets: str) -> Callable[[Any], Any]:
    """Notes which targets a test exercises."""

    def note(test: Any) -> Any:
        EXERCISED.update(dict.fromkeys(targets, test.__name__))
        return test

    return note


def make(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs make to its end."""
    return subprocess.run(
        [*MAKE, *arguments], cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def made(*arguments: str, folder: Path = ROOT, **environment: str) -> str:
    """What make says that ended well."""
    done = make(*arguments, folder=folder, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout, without what is installed."""
    left_out = shutil.ignore_patterns(
        ".git", ".venv*", ".convenor", "node_modules", ".hypothesis", ".*_cache", "__pycache__"
    )
    return Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=left_out))


def test_every_target_is_exercised_here() -> None:
    assert PHONY is not None
    rules = re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE)
    assert set(rules) == set(PHONY[1].split()) == set(EXERCISED)


@exercises("help")
def test_make_alone_lists_the_targets() -> None:
    printed = made()
    assert printed == made("help")
    assert all(
        f"make {target} " in printed or f"make {target}\n" in printed or f"make {target}," in printed
        for target in ("demo", "tour", "test", "test-fast", "test-all", "check", "bench", "soak", "lock", "clean")
    )


CHECKS = [
    "ruff check",
    "ruff format --check",
    "mypy",
    "mypy --config-file tests/mypy.ini",
    "lint-imports",
    "python -m convenor.export_contracts --check",
]
AUDITS = "--old-file=tests/graphql_api/audits/node_modules/.package-lock.json"


def steps_of(*arguments: str) -> list[str]:
    """What make would run, each program by its name alone; every one of them is there."""
    # What runs make again, and what only prints, is no step.
    lines = [line for line in made("--dry-run", AUDITS, *arguments).splitlines() if line.startswith(f"{BIN}/")]
    programs = [line.split() for line in lines]
    assert all(os.access(program, os.X_OK) for program, *_ in programs)
    return [" ".join([Path(program).name, *rest]) for program, *rest in programs]


@exercises("test", "check", "style", "types", "layers")
def test_make_test_makes_every_check_and_then_runs_the_tests() -> None:
    assert steps_of("test") == [*CHECKS, "python -m pytest -n 2 --dist worksteal"]


@exercises("test-fast")
def test_make_test_fast_runs_the_tests_that_count_as_fast() -> None:
    assert steps_of("test-fast") == ["python -m pytest -m fast"]


@exercises("test-all", "test-oldest-postgres")
def test_make_test_all_does_all_of_make_test_in_its_long_form_and_more() -> None:
    folders = "tests/api tests/graphql_api tests/oauth tests/performance tests/security"
    assert steps_of("test-all", "PYTHONS=python-1") == [
        *CHECKS,
        "python -m pytest -n 2 --dist worksteal --long",
        f"python -m pytest -n 2 --dist worksteal --postgres={OLDEST_MAJOR_VERSION} {folders}",
        "python bench/soak.py",
    ]


@exercises("test-pythons")
def test_make_test_pythons_runs_the_fast_tests_on_each_python_that_is_there() -> None:
    pythons = f"PYTHONS={sys.executable} python-1"
    command = ["make", "--dry-run", "test-pythons", pythons]
    there = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f".venv-{Path(sys.executable).name}/bin/python -m pytest -m fast" in there
    assert "python-1 is not here." in made("test-pythons", "PYTHONS=python-1")


@exercises("contract", "contract-check")
def test_make_contract_corrects_what_make_contract_check_finds(copy: Path) -> None:
    paths = {"PYTHONPATH": os.pathsep.join(str(copy / name) for name in ("service", "auth", "graphql"))}
    committed = {name: (ROOT / name).read_bytes() for name in ("openapi/openapi.json", "graphql/schema.graphql")}
    for name in committed:
        (copy / name).write_text("stale")
    stale = make("contract-check", folder=copy, **paths)
    assert (stale.returncode, stale.stderr.count("is out of date")) == (2, 2), stale.stderr
    made("contract", folder=copy, **paths)
    assert {name: (copy / name).read_bytes() for name in committed} == committed
    made("contract-check", folder=copy, **paths)


@exercises("clean")
def test_make_clean_leaves_the_sources_alone(copy: Path) -> None:
    sources = {path for path in copy.rglob("*") if path.is_file()}
    made_things = (".venv/bin", "dist", "tests/graphql_api/audits/node_modules", ".mypy_cache", "tests/__pycache__")
    for name in made_things:
        (copy / name).mkdir(parents=True)
        (copy / name / "made").touch()
    made("clean", folder=copy)
    assert {path for path in copy.rglob("*") if path.is_file()} == sources


@exercises("lock")
def test_the_lock_holds_what_the_project_needs() -> None:
    assert "uv pip compile" in made("--dry-run", "lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = dict(re.findall(r"^([a-z0-9.-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert len(locked) > len(wanted)
    for line in wanted:
        requirement = Requirement(line)
        assert requirement.name in locked, line
        assert requirement.specifier.contains(locked[requirement.name], prereleases=True), line


@pytest.mark.timeout(600)
@exercises("bench")
def test_make_bench_measures_every_subject_with_equal_answers() -> None:
    results = {path: path.read_bytes() for path in (ROOT / "bench").glob("results*.md")}
    table = made("bench", "SCALE=smoke").splitlines()
    names = {line.split("|")[1].strip() for line in table if line.startswith("| ")} - {"what", "---"}
    assert {"by id", "list of 100", "month by cluster", "waits of 1m", "memory of a worker"} < names
    assert {name.partition(",")[0] for name in names} > {"GraphQL", "bulk"}
    assert {path: path.read_bytes() for path in (ROOT / "bench").glob("results*.md")} == results


@pytest.mark.timeout(600)
@exercises("soak")
def test_make_soak_loses_no_write() -> None:
    assert "acknowledged referrals are there, each step with its audit event" in made("soak", "SECONDS=1")


@pytest.fixture
def installation() -> Iterator[Installation]:
    # A short path: the database's socket is in it.
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data", command=[*MAKE, f"--directory={ROOT}"])
        yield installation
        installation.leave()


@pytest.mark.timeout(600)
@exercises("demo", "tour")
def test_make_demo_serves_what_make_tour_walks_through_until_ctrl_c(installation: Installation) -> None:
    installation.start("demo")
    walked = installation.run("tour")
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert "promises were kept" in walked.stdout
    # Ctrl-C reaches make and what it runs.
    assert installation.serving is not None
    for process in installation.processes():
        if process.ppid() == installation.serving.pid:
            process.send_signal(signal.SIGINT)
    installation.ended()
    assert "Stopped." in installation.output
    assert installation.processes() == []
