"""Writes the committed contract, `openapi/openapi.json`: `python -m convenor.contract`. It needs no database."""

import argparse
import json
import sys
from pathlib import Path

from convenor.app import create_app

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
COMMAND = "python -m convenor.contract"


def contract_text() -> str:
    """The contract of this version as it is committed: the same bytes whenever and wherever it is made."""
    contract = create_app(app_url="", data_dir=Path(), issuer="").openapi()
    return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes the contract, or with `--check` only says whether the committed one is this version's.

    Returns:
        The exit code: 1 where `--check` finds another contract.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write openapi/openapi.json.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where it would change")
    if not parser.parse_args().check:
        COMMITTED.write_text(contract_text(), encoding="utf-8")
        return 0
    if COMMITTED.exists() and COMMITTED.read_text(encoding="utf-8") == contract_text():
        return 0
    print(f"openapi/openapi.json is not this version's contract. Run: {COMMAND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
