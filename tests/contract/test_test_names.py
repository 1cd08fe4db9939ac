"""Test names are sentences that can be read alone: hold them to as much of that as a program can see."""

import ast
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MODULES = sorted(TESTS.rglob("test_*.py"))
LEAST_WORDS = 4
NO_SUBJECTS = set(
    """after and are asks at before beside but by finds for from gets gives has how if in into is it of on or registers
    that they to under was were when where which while whose why with without""".split()  # noqa: SIM905
)
"""Words with which no sentence begins that first names its subject."""


def names_in(module: Path) -> list[str]:
    """List the names of a module's tests, in classes or not."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [function.name for function in functions if function.name.startswith("test")]


def fault_of(name: str) -> str | None:
    """Say what is wrong with the name of a test, if anything is."""
    start, first, *more = name.split("_")
    if start != "test":
        return "does not begin with test_"
    if len(more) + 1 < LEAST_WORDS:
        return f"has fewer than {LEAST_WORDS} words"
    return f"begins with {first!r}, which is no subject" if first in NO_SUBJECTS else None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("test_a_school_cannot_accept_its_own_referral", None),
        ("testing_is_no_test_of_a_school", "does not begin with test_"),
        ("test_a_school_refers", "has fewer than 4 words"),
        ("test_but_not_over_the_network", "begins with 'but', which is no subject"),
    ],
)
def test_a_name_without_a_subject_is_found_out(name: str, fault: str | None) -> None:
    assert fault_of(name) == fault


@pytest.mark.parametrize("module", MODULES, ids=[path.relative_to(TESTS).as_posix() for path in MODULES])
def test_the_tests_of_a_module_have_names_of_their_own_with_a_subject(module: Path) -> None:
    names = names_in(module)
    assert names
    assert {name: fault for name in names if (fault := fault_of(name))} == {}
    assert [name for name, times in Counter(names).items() if times > 1] == []
