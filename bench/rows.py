"""Define the rows of the results: two variants of one request, measured in turns, with a target for their ratio."""

import json
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from load import Measured, RequestSet, fetch, measure
from scale import SCALE

CONNECTIONS = 16


@dataclass(frozen=True)
class Target:
    """What the ratio should be."""

    bound: Literal["at least", "at most"]
    ratio: float

    def __str__(self) -> str:
        return f"{self.bound} {self.ratio:g}"

    def verdict(self, ratio: float, why: str = "") -> str:
        """Describe whether a ratio meets the target, or by how much it does not, and why."""
        if ratio >= self.ratio if self.bound == "at least" else ratio <= self.ratio:
            return "met"
        return f"missed by {abs(1 - ratio / self.ratio):.0%}. {why}".strip()


Round = Callable[[], Awaitable[Measured]]


@dataclass(frozen=True)
class Row:
    """One measure. Its ratio is the service's figure to the other's."""

    name: str
    against: str
    other: Round
    service: Round
    target: Target
    by: Literal["per_second", "median_ms", "p99_ms"] = "per_second"
    why: str = ""
    """Why the target is missed where it is, and what was tried."""


def http_round(request_set: RequestSet) -> Round:
    """Run a round of one variant over HTTP."""
    return lambda: measure(request_set, CONNECTIONS, SCALE.seconds)


async def assert_equal(name: str, other: RequestSet, service: RequestSet) -> None:
    """Fail unless both answers hold the same data."""
    theirs, ours = [json.loads(await fetch(request_set)) for request_set in (other, service)]
    assert _data(theirs) == _data(ours), f"{name}: the answers differ"


def _data(answer: Any) -> Any:
    return answer["data"] if isinstance(answer, dict) and "data" in answer else answer


async def measured(row: Row) -> str:
    """Measure a row: one warm-up round of each variant, then rounds in turns."""
    await row.other()
    await row.service()
    others: list[Measured] = []
    services: list[Measured] = []
    for _ in range(SCALE.rounds):
        others.append(await row.other())
        services.append(await row.service())
    ratios = [getattr(ours, row.by) / getattr(other, row.by) for ours, other in zip(services, others, strict=True)]
    ratio = statistics.median(ratios)
    figures = [_cells(each, row.by) for each in (others, services)]
    return line(
        row.name,
        f"{row.against}: {figures[0]}",
        figures[1],
        f"{_number(ratio)} ({_number(min(ratios))} to {_number(max(ratios))})",
        str(row.target),
        row.target.verdict(ratio, row.why),
    )


def line(name: str, other: str, service: str, ratio: str, target: str, verdict: str) -> str:
    """Write one line of the results."""
    return f"| {name} | {other} | {service} | {ratio} | {target} | {verdict} |"


HEAD = [
    "| what | against | the service | ratio: median (least to most) | target | |",
    "| --- | --- | --- | --- | --- | --- |",
]


def _cells(rounds: list[Measured], by: str) -> str:
    unit = "/s" if by == "per_second" else " ms"
    middle = statistics.median(getattr(each, by) for each in rounds)
    p99 = statistics.median(each.p99_ms for each in rounds)
    return f"{_number(middle)}{unit}" + ("" if by == "p99_ms" else f", p99 {_number(p99)} ms")


def _number(value: Any) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
