"""How much is measured: `SCALE` names it."""

import os
from dataclasses import dataclass

from data import LARGE, SMALL, Area


@dataclass(frozen=True)
class Scale:
    """One scale. Its results are written to a file of this folder, or only printed where it names none."""

    areas: list[Area]
    subjects: list[str]
    results: str | None
    rounds: int = 5
    seconds: float = 2.0
    lines: int = 20_000
    """Of a bulk load."""


SCALES = {
    "10k": Scale([SMALL], ["reading", "nested", "dashboards", "growth", "bulk"], "results.md"),
    "1m": Scale([SMALL, LARGE], ["growth", "dashboards"], "results-1m.md"),
    "smoke": Scale(
        [Area("2k", "995", 2_500), Area("3k", "994", 3_000)],
        ["reading", "nested", "dashboards", "growth", "bulk"],
        None,
        rounds=1,
        seconds=0.05,
        lines=100,
    ),
}
"""`1m` measures what size could matter to; `smoke` shows in seconds that everything can be measured, and measures nothing."""

SCALE = SCALES[os.environ.get("SCALE", "10k")]
