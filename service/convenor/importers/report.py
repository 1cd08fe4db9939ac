"""Report the findings of an import, by line."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the checks that a person should look at.

    Attributes:
        code: The stable code of this kind of finding.
        detail: What was found, and how `--apply-rest` treats the rows.
        lines: The lines of the rows; the header is line 1.
        skips: Whether `--apply-rest` leaves these lines out; else it applies them as `detail` says.
    """

    code: str
    detail: str
    lines: tuple[int, ...]
    skips: bool

    @classmethod
    def left_out(cls, code: str, detail: str, *lines: int) -> "Finding":
        """Make a finding whose rows are not applied."""
        return cls(code, detail, lines, skips=True)

    @classmethod
    def applied(cls, code: str, detail: str, *lines: int) -> "Finding":
        """Make a finding whose rows are applied as `detail` says."""
        return cls(code, detail, lines, skips=False)

    def __str__(self) -> str:
        first, last = self.lines[0], self.lines[-1]
        in_a_row = len(self.lines) > 2 and self.lines == tuple(range(first, last + 1))
        numbers = f"{first} to {last}" if in_a_row else ", ".join(map(str, self.lines))
        return f"line{'s' if len(self.lines) > 1 else ''} {numbers}: {self.detail}"


class Verdict(StrEnum):
    """How a load ended."""

    CHECKED = "checked"
    """A dry run: nothing was to be stored."""
    REFUSED = "refused"
    """There are findings, and `--apply-rest` was not given: nothing was stored."""
    APPLIED = "applied"


@dataclass
class Counts:
    """What becomes of the records of one table.

    Attributes:
        created: New records.
        updated: Records about which the file says something else.
        unchanged: Records about which the file says what is stored.
        left: Records in force that the file does not name. They stay as they are.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    left: int = 0

    def __str__(self) -> str:
        return f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged, {self.left} left"


@dataclass(frozen=True)
class LoadReport:
    """What a file holds and what became of it.

    Attributes:
        kind: What the file is about.
        area: The name of the area that it was loaded for.
        rows: How many rows the file has.
        findings: What a person should look at, by line.
        verdict: How the load ended.
        counts: What became of the records, or would become of them, by table.
        notes: How the file was read, and what it leaves out.
    """

    kind: str
    area: str
    rows: int
    findings: tuple[Finding, ...]
    verdict: Verdict
    counts: Mapping[str, Counts]
    notes: tuple[str, ...] = ()

    @property
    def created(self) -> int:
        """How many records are new, or would be."""
        return sum(counts.created for counts in self.counts.values())


def skipped_lines(findings: tuple[Finding, ...]) -> frozenset[int]:
    """Return the lines that findings leave out."""
    return frozenset(line for finding in findings if finding.skips for line in finding.lines)
