"""What would break the house without a test noticing why."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from convenor.migrate import configuration
from convenor.revision import newest_revision

ROOT = Path(__file__).parents[2]


def test_the_folder_graphql_is_no_package_for_it_would_hide_graphql_core() -> None:
    assert not (ROOT / "graphql" / "__init__.py").exists()
    import graphql

    assert graphql.__file__ is not None
    assert ROOT / "graphql" not in Path(graphql.__file__).parents


@pytest.mark.parametrize(
    "line", ["import service.convenor", "import auth.convenor_auth", "from service import convenor"]
)
def test_folders_are_not_imported_as_packages(line: str) -> None:
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--select",
        "TID251",
        "--stdin-filename",
        "service/convenor/x.py",
        "-",
    ]
    found = subprocess.run(ruff, input=line + "\n", cwd=ROOT, capture_output=True, text=True, check=False)
    assert "TID251" in found.stdout


def test_the_newest_revision_is_alembic_s_head() -> None:
    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()


def test_no_worker_loads_what_only_migrating_needs() -> None:
    asked = "import sys, convenor.serving; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
