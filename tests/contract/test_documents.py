"""What the documents of the repository name is there: links, files, and the names of code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for place in ("*.md", "docs/**/*.md", "openapi/*.md", "deploy/*.md", "bench/README.md", "service/**/*.md")
    for path in ROOT.glob(place)
)
CODE = [
    path
    for folder in ("service", "auth", "graphql", "migrations", "tests", "bench", "deploy")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
    and path.suffix in (".py", ".toml", ".html", ".js", ".css", ".sql", ".yaml", ".graphql", ".template", "")
    and not {"node_modules", "__pycache__"} & set(path.parts)
    and path != Path(__file__)
] + [ROOT / "Makefile", ROOT / "pyproject.toml"]
FOLDERS = ("", "service/convenor/", "auth/convenor_auth/", "graphql/convenor_graphql/")
"""Where the documents' paths begin."""
MADE_LATER = (".convenor/", ".venv/", "migrations/versions/NNNN_what_it_is.py")
"""Places that commands make, and the example of a file."""
ELSEWHERE = {"BaseHTTPMiddleware", "DuplicatedTypeName", "access_needs", "jsonb_agg", "pool_mode", "exclude_unset"}
ELSEWHERE |= {"btree_gist", "pg_trgm", "_at", "_on"}
"""Names of other programs, of an example, and endings of names."""
LINK = re.compile(r"\]\(([^)#\s:]*)(?:#([^)]*))?\)")
BLOCK = re.compile(r"```.*?```", re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
PATH = re.compile(r"[\w.-]+/[\w./-]*|\w+\.(?:py|md|toml|html|js|sql|lock|yaml|graphql)")
NAME = re.compile(r"[A-Za-z]\w*_\w+|_\w+|[A-Z]\w*[a-z]\w*[A-Z]\w*")
PLACED = re.compile(r"`([A-Za-z_]\w*)(?:\.([a-z_]\w*))?(?:\([^`]*\))?`\s+(?:in|\()\s?`([\w./]+\.py)`")
"""A name, with the file that holds it: `Filter` in `read_model/resource.py`."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def words() -> frozenset[str]:
    """Return every word of the code."""
    return frozenset(word for path in CODE for word in re.findall(r"\w+", path.read_text("utf-8")))


def prose(document: Path) -> str:
    return BLOCK.sub(" ", document.read_text("utf-8"))


def files_of(document: Path, named: str) -> list[Path]:
    """Find what a path in a document names. A bare name of a file may be in any folder."""
    places = [ROOT / folder / named for folder in FOLDERS] + [document.parent / named]
    found = [path for path in places if path.exists()]
    return found or [path for path in CODE if "/" not in named and path.name == named]


def headings(document: Path) -> set[str]:
    """Return the anchors of a document's headings."""
    lines = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def defined_in(path: Path) -> Iterator[str]:
    """List what a module defines: `name`, and both `name` and `Class.name` for the members of a class."""
    for node in ast.parse(path.read_text("utf-8")).body:
        for name in names_of(node):
            yield name
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                for inner in names_of(member):
                    yield from (inner, f"{name}.{inner}")


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_document_links_to_what_is_there(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text("utf-8")):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in headings(target), f"{path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_document_names_files_and_code_that_are_there(document: Path) -> None:
    spans = [span for span in SPAN.findall(prose(document)) if not span.startswith(MADE_LATER)]
    paths = [span for span in spans if PATH.fullmatch(span) and not span.startswith("application/")]
    missing = [path for path in paths if not files_of(document, path)]
    for span in spans:
        if span not in paths:
            missing += [name for name in NAME.findall(span) if name not in words() | ELSEWHERE]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_name_is_defined_in_the_file_that_a_document_gives(document: Path) -> None:
    for name, member, path in PLACED.findall(prose(document)):
        whole = f"{name}.{member}" if member else name
        assert any(whole in defined_in(file) for file in files_of(document, path)), f"{whole} in {path}"
