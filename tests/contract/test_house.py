"""What would break the house without a test noticing why."""

import subprocess
import sys
from pathlib import Path

import pytest

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
