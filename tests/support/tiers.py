"""Tell fast tests from the others, and choose between the everyday and the long form of a test.

A test is fast if it uses no database and starts no process. The fixtures that it uses and its folder decide that, and
an audit hook holds fast tests to it.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

SLOW_FIXTURES = {"server", "node"}
"""Fixtures that start a database server, or another process, for a test."""
SLOW_FOLDERS = {"cli", "resilience"}
"""Folders whose tests start processes of their own."""

_tests = Path(__file__).parents[1]
_long_form = False
_running_fast: str | None = None


def choose_long_form(chosen: bool) -> None:
    """Set the form before any module of tests is imported: some of them ask for it while they are imported."""
    global _long_form
    _long_form = chosen


def size(everyday: int, long: int) -> int:
    """Return how much a test does: its first figure, or its second in the long form."""
    return long if _long_form else everyday


def is_fast(item: pytest.Item) -> bool:
    """Say whether a test needs neither a database nor another process."""
    folder = item.path.relative_to(_tests).parts[0]
    return folder not in SLOW_FOLDERS and SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def watch_fast_tests() -> None:
    """Make a fast test fail that starts a process. An audit hook stays for the life of the interpreter."""
    sys.addaudithook(_refuse_processes)


def running(item: pytest.Item | None) -> None:
    """Note which test runs, if it is a fast one."""
    global _running_fast
    _running_fast = item.nodeid if item is not None and item.get_closest_marker("fast") else None


def _refuse_processes(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn") and _running_fast is not None:
        raise AssertionError(f"{_running_fast} counts as fast and starts a process: see tests/support/tiers.py")
