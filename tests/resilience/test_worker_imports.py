"""A worker loads only what it needs: each module that it spares is memory for every worker of every installation."""

import subprocess
import sys

import pytest

SPARED = {
    "alembic": "convenor.serving",
    "jinja2": "convenor.serving, convenor.app",
}


@pytest.mark.parametrize(("module", "imported"), SPARED.items())
def test_no_worker_imports_what_it_does_not_need_to_answer(module: str, imported: str) -> None:
    program = f"import sys, {imported}; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
