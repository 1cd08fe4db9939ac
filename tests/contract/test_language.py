"""What partners and operators read is plain English: no word of it is private to this code."""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema
from typer.main import get_command

from convenor.cli.commands import app
from convenor.export_contracts import contract_text, schema_text
from convenor.openapi_metadata import INFO, SECTIONS
from convenor.problems import catalogue
from convenor_auth.roles import ROLES, SCOPES

ROOT = Path(__file__).parents[2]
PRIVATE = re.compile(
    r"\b(walls?|walled|mend(s|ed|ing)?|told|doors?|standings?|founds|moments?"
    r"|hang(s|ing)? on|hung on|hanging|turns? (it|them) round|is said of|the edge|the faces?"
    r"|no more(?! than)|is no longer there|knows? no|nothing stands|stands? (behind|beside|in the place|for good)"
    r"|(your|its|his|their|whose|caller's|role's) reach|faults?|way out)\b",
    re.IGNORECASE,
)
ALLOWED = ("Open Door Outreach",)
"""Names that hold a private word and are right as they are."""
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
MARKUP = re.compile(r"<script.*?</script>|<style.*?</style>|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", re.DOTALL)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`')

Texts = Iterable[tuple[str, str]]


def private_words(text: str) -> list[str]:
    """The private words of a text; names of code do not count."""
    plain = CODE.sub(" ", text)
    for name in ALLOWED:
        plain = plain.replace(name, " ")
    return [found.group() for found in PRIVATE.finditer(plain)]


def in_the_contract(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in ("description", "summary") and isinstance(member, str):
                yield place, member
            else:
                yield from in_the_contract(member, f"{place}/{name}")
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from in_the_contract(member, f"{place}/{at}")


def in_the_schema() -> Iterator[tuple[str, str]]:
    for type_name, type_ in build_schema(schema_text()).type_map.items():
        if type_name.startswith("__") or type_name in ("Int", "Float", "String", "Boolean", "ID"):
            continue
        yield type_name, type_.description or ""
        members = {**getattr(type_, "fields", {}), **getattr(type_, "values", {})}
        for name, member in members.items():
            yield f"{type_name}.{name}", member.description or ""
            for argument, described in getattr(member, "args", {}).items():
                yield f"{type_name}.{name}({argument})", described.description or ""


def in_the_problems() -> Iterator[tuple[str, str]]:
    for code, kind in catalogue().items():
        for text in (kind.title, kind.__doc__ or "", kind.cause, kind.remedy, kind.retry):
            yield code, text
        for member in kind.carries:
            yield f"{code}.{member.name}", member.description


def in_the_tables() -> Iterator[tuple[str, str]]:
    for role, rule in ROLES.items():
        yield role, f"{rule.may}. {rule.may_not}."
    yield from SCOPES.items()
    yield from SECTIONS.items()
    yield "info", f"{INFO['summary']} {INFO['description']}"


def in_the_pages() -> Iterator[tuple[str, str]]:
    for folder in ("service/convenor/pages", "graphql/convenor_graphql"):
        for path in sorted((ROOT / folder).rglob("*.html")):
            yield path.name, MARKUP.sub(" ", path.read_text("utf-8"))
    for path in sorted((ROOT / "graphql/convenor_graphql/explorer").glob("*.js")):
        for literal in LITERAL.findall(path.read_text("utf-8")):
            yield path.name, literal.strip('"`')


def in_the_commands(command: Any = None, name: str = "convenor") -> Iterator[tuple[str, str]]:
    command = command or get_command(app)
    yield name, f"{command.help or ''} {command.epilog or ''}"
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for inner, each in getattr(command, "commands", {}).items():
        yield from in_the_commands(each, f"{name} {inner}")


def in_the_documents() -> Iterator[tuple[str, str]]:
    for path in [ROOT / "README.md", ROOT / "openapi" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            yield f"{path.name}:{number}", line


def in_the_messages() -> Iterator[tuple[str, str]]:
    """The sentences in the code, but not its docstrings; `{}` stands for each value."""
    for folder in ("service", "graphql", "auth"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in ast.walk(tree):
                if node in docstrings or node in parts:
                    continue
                if isinstance(node, ast.JoinedStr):
                    yield path.name, "".join(_constant(part) or "{}" for part in node.values)
                elif text := _constant(node):
                    yield path.name, text


def _constant(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@cache
def sources() -> Mapping[str, list[tuple[str, str]]]:
    return {
        "contract": list(in_the_contract(json.loads(contract_text()))),
        "schema": list(in_the_schema()),
        "problems": list(in_the_problems()),
        "roles and sections": list(in_the_tables()),
        "pages": list(in_the_pages()),
        "commands": list(in_the_commands()),
        "documents": list(in_the_documents()),
    }


@pytest.mark.parametrize(
    "source", ["contract", "schema", "problems", "roles and sections", "pages", "commands", "documents"]
)
def test_no_text_for_people_has_a_private_word(source: str) -> None:
    texts = sources()[source]
    assert len([text for _, text in texts if text]) > 10, f"The texts of {source} were not found."
    found = {f"{place}: {text}": words for place, text in texts if (words := private_words(text))}
    assert not found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A name stands behind a wall. It is Walled.", ["stands behind", "wall", "Walled"]),
        ("The record is no more.", ["no more"]),
        ("No more than ten, at `/door`, as Open Door Outreach says.", []),
    ],
)
def test_a_private_word_is_found_in_prose_and_not_in_code(text: str, words: list[str]) -> None:
    assert private_words(text) == words


def test_no_message_joins_two_sentences_or_has_an_article_or_a_full_stop_that_a_value_can_make_wrong() -> None:
    wrong = re.compile(r"^[A-Z].*(; [A-Z][a-z]|; ?$)|\b[Aa]n? \{\}|[^.]\.\.$")
    messages = [(place, text) for place, text in in_the_messages() if " " in text]
    assert len(messages) > 1000, "The messages were not found."
    assert not [f"{place}: {text}" for place, text in messages if wrong.search(text)]
