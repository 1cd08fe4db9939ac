"""Measure this service against the limit, in one run, and writes the results of the scale.

`run.py reading bulk` measures these subjects alone and prints them. `SCALE=1m` measures with a hundred times the data,
`SCALE=smoke` with next to none, and writes nothing.
"""

import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import bulk
import dashboards
import growth
import nested
import psutil
import reading
import worker
from installation import Installation, installed
from rows import CONNECTIONS, HEAD, Row, measured
from scale import SCALE

HERE = Path(__file__).parent
SUBJECTS: dict[str, Callable[[Installation], Awaitable[list[Row]]]] = {
    "reading": reading.rows,
    "nested": nested.rows,
    "dashboards": dashboards.rows,
    "growth": growth.rows,
    "bulk": bulk.rows,
}


def main() -> None:
    """Run the requested measurements."""
    with installed(SCALE.areas) as installation:
        report = asyncio.run(_report(installation, sys.argv[1:] or SCALE.subjects))
    if SCALE.results and not sys.argv[1:]:
        (HERE / SCALE.results).write_text(report)


async def _report(installation: Installation, wanted: list[str]) -> str:
    lines = [
        f"# Measured {date.today()}",
        "",
        f"{installation.area.referrals:,} referrals; {CONNECTIONS} connections, {SCALE.rounds} interleaved rounds of"
        f" {SCALE.seconds:g} s;",
        f"database, servers and load on one machine: {_machine()}.",
        "No answer was other than 2xx, or the run would have failed; equal questions had equal answers.",
        "",
        *HEAD,
    ]
    print("\n".join(lines), flush=True)
    for subject in wanted:
        for row in await SUBJECTS[subject](installation):
            lines.append(await measured(row))
            print(lines[-1], flush=True)
    lines.append(await worker.measured(installation))
    print(lines[-1])
    return "\n".join(lines) + "\n"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, {platform.system()},"
        f" Python {platform.python_version()}, PostgreSQL 18"
    )


if __name__ == "__main__":
    main()
