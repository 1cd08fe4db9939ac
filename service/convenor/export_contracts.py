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
    """The contract of REST as it is committed: the same bytes whenever and wherever it is made."""
    contract = create_app(app_url="", data_dir=Path(), issuer="").openapi()
    return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"


def schema_text() -> str:
    """The schema of GraphQL as it is committed."""
    return graphql_api().sdl


CONTRACTS: Mapping[Path, Callable[[], str]] = {OPENAPI: contract_text, SCHEMA: schema_text}
"""What is committed, and what makes it."""


def main() -> int:
    """Writes the contracts, or with `--check` only says whether the committed ones are this version's.

    Returns:
        The exit code: 1 where `--check` finds another contract.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write openapi/openapi.json and graphql/schema.graphql.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where it would change")
    if not parser.parse_args().check:
        for path, make in CONTRACTS.items():
            path.write_text(make(), encoding="utf-8")
        return 0
    stale = [path for path, make in CONTRACTS.items() if not path.exists() or path.read_text("utf-8") != make()]
    for path in stale:
        print(f"{path.relative_to(_ROOT)} is not this version's. Run: {COMMAND}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
