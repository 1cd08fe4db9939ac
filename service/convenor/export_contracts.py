"""Write the committed contracts of REST and GraphQL: `python -m convenor.export_contracts`. It needs no database."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from convenor.app import create_app
from convenor_graphql.schema import graphql_api

_ROOT = Path(__file__).parents[2]
OPENAPI, SCHEMA = _ROOT / "openapi" / "openapi.json", _ROOT / "graphql" / "schema.graphql"
COMMAND = "python -m convenor.export_contracts"


def contract_text() -> str:
    """Return the contract of REST as committed: the same bytes on every machine."""
    contract = create_app(app_url="", data_dir=Path(), issuer="").openapi()
    return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"


def schema_text() -> str:
    """Return the schema of GraphQL as committed."""
    return graphql_api().sdl


CONTRACTS: Mapping[Path, Callable[[], str]] = {OPENAPI: contract_text, SCHEMA: schema_text}
"""The committed files, and the functions that make their text."""


def main() -> int:
    """Write the contracts, or with `--check` report whether the committed ones are current.

    Returns:
        The exit code: 1 if `--check` finds a difference.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write openapi/openapi.json and graphql/schema.graphql.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    if not parser.parse_args().check:
        for path, make in CONTRACTS.items():
            path.write_text(make(), encoding="utf-8")
        return 0
    stale = [path for path, make in CONTRACTS.items() if not path.exists() or path.read_text("utf-8") != make()]
    for path in stale:
        print(f"{path.relative_to(_ROOT)} is out of date. Run: {COMMAND}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
