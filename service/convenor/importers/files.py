"""Say what the columns of each kind of file are, and return a file's rows by line. `checks` judges the rows."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from convenor.benchmarks.models import BenchmarkPhase, BenchmarkUnit
from convenor.configuration_error import ConfigurationError
from convenor.domain_types.codes import ClusterCode, Code, Line, OdsCode, Prose
from convenor.importers.cells import (
    AudienceWord,
    CompanyNumberCell,
    Count,
    Day,
    EstablishmentNumber,
    EvidenceWord,
    KindWord,
    LaCodeCell,
    LaestabCell,
    LevelWord,
    ModeWord,
    NeedWord,
    OfferWord,
    PhaseWord,
    Several,
    StatusWord,
    UkprnCell,
    UrnCell,
    Value,
)
from convenor.importers.report import Finding
from convenor.importers.table import Record, Table, is_broken, name_of_column, read_table


class Row(BaseModel):
    """One row. Its fields are the columns of its kind of file; a blank cell says nothing.

    Attributes:
        needs: The columns by which a file of this kind is known.
        other_names: Further names of a column, the preferred one first.
    """

    needs: ClassVar[tuple[str, ...]]
    other_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}


class ClusterRow(Row):
    """One cluster, with how many schools its sources state."""

    needs = ("code", "name")
    area: Line | None = None
    code: ClusterCode
    name: Line
    schools_2018: Count | None = None
    pilot_schools: Count | None = None
    note: Prose | None = None


class SchoolRow(Row):
    """One school, as the national register, Get Information about Schools, exports it."""

    needs = ("urn", "name", "phase")
    other_names = {
        "name": ("EstablishmentName",),
        "phase": ("PhaseOfEducation (name)", "PhaseOfEducation (code)"),
        "status": ("EstablishmentStatus (name)", "EstablishmentStatus (code)"),
        "opened_on": ("OpenDate",),
        "la_code": ("LA (code)",),
        "establishment_number": ("EstablishmentNumber",),
        "last_day": ("CloseDate",),
    }
    urn: UrnCell
    name: Line
    phase: PhaseWord | None = None
    status: StatusWord | None = None
    ukprn: UkprnCell | None = None
    laestab: LaestabCell | None = None
    opened_on: Day | None = None
    closed_on: Day | None = None
    la_code: LaCodeCell | None = None
    establishment_number: EstablishmentNumber | None = None
    last_day: Day | None = None

    @property
    def first_closed_day(self) -> date | None:
        """Return the first day on which it is closed. The register states the last one on which it is open."""
        return self.closed_on or (self.last_day and self.last_day + timedelta(days=1))

    @property
    def dfe_number(self) -> str | None:
        """Return its LAESTAB, which the register states in two columns."""
        both = self.la_code and self.establishment_number
        return self.laestab or (f"{self.la_code}{self.establishment_number}" if both else None)


class LinkRow(Row):
    """One link between two schools of the national register."""

    needs = ("urn", "link_urn", "link_type")
    other_names = {
        "link_urn": ("LinkURN",),
        "link_type": ("LinkType",),
        "link_name": ("LinkName",),
        "established_on": ("LinkEstablishedDate",),
    }
    urn: UrnCell
    link_urn: UrnCell
    link_type: Line
    link_name: Line | None = None
    established_on: Line | None = None

    @property
    def succession(self) -> tuple[str, str] | None:
        """Return the URNs of a school and its successor; None for a link of another kind."""
        kind = self.link_type.casefold().partition(" ")[0]
        ends = {"successor": (self.urn, self.link_urn), "predecessor": (self.link_urn, self.urn)}
        return ends.get(kind)


class MembershipRow(Row):
    """One school in one cluster from a day on."""

    needs = ("cluster", "valid_from")
    other_names = {"valid_from": ("from",), "valid_to": ("to",)}
    urn: UrnCell | None = None
    laestab: LaestabCell | None = None
    cluster: ClusterCode
    valid_from: Day | None = None
    valid_to: Day | None = None


class ProviderRow(Row):
    """One provider."""

    needs = ("name", "kind")
    name: Line
    kind: KindWord
    ods_code: OdsCode | None = None
    ukprn: UkprnCell | None = None
    company_number: CompanyNumberCell | None = None


class ServiceRow(Row):
    """One commissioned service, with its provider and the clusters that buy it."""

    needs = ("code", "name", "area_of_need")
    code: Code
    name: Line
    area_of_need: NeedWord
    offer: OfferWord | None = None
    provider: Line | None = None
    clusters: Several | None = None
    level: LevelWord | None = None
    audience: AudienceWord | None = None
    delivery_mode: ModeWord | None = None
    setting: Line | None = None
    eligibility: Prose | None = None
    evidence: EvidenceWord | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None


class PilotSchoolRow(Row):
    """One school of the 2018-19 pilot, or of the year that the load is for."""

    needs = ("cluster", "group", "name", "phase")
    cluster: ClusterCode
    group: Line
    name: Line
    phase: PhaseWord
    urn: UrnCell | None = None


class OfferRow(Row):
    """One service that one cluster bought in 2025/26, or in the year that the load is for."""

    needs = ("cluster", "area_of_need", "service")
    cluster: ClusterCode
    area_of_need: NeedWord
    service: Line
    code: Code | None = None
    provider: Line | None = None


class PracticeRow(Row):
    """One general practice, with its network."""

    needs = ("integrated_care_area", "number", "network", "is_pcn", "practice")
    integrated_care_area: Line
    number: Count
    network: Line
    is_pcn: bool
    network_population: Count | None = None
    practice: Line


class BenchmarkRow(Row):
    """One published value."""

    needs = ("indicator", "phase", "period", "geography", "value", "unit")
    indicator: Line
    phase: BenchmarkPhase
    period: Line
    geography: Line
    value: Value
    unit: BenchmarkUnit


class FindingRow(Row):
    """One finding reported for the programme."""

    needs = ("code", "finding", "value", "unit", "period")
    code: Line
    finding: Line
    value: Value
    unit: BenchmarkUnit
    period: Line


class Kind(StrEnum):
    """What a file is about."""

    CLUSTERS = "clusters"
    SCHOOLS = "schools"
    SCHOOL_LINKS = "school_links"
    MEMBERSHIPS = "memberships"
    PROVIDERS = "providers"
    SERVICES = "services"
    PILOT_SCHOOLS = "pilot_schools"
    OFFERS = "offers"
    NETWORKS = "networks"
    BENCHMARKS = "benchmarks"
    FINDINGS = "findings"


ROWS: Mapping[Kind, type[Row]] = {
    Kind.CLUSTERS: ClusterRow,
    Kind.SCHOOLS: SchoolRow,
    Kind.SCHOOL_LINKS: LinkRow,
    Kind.MEMBERSHIPS: MembershipRow,
    Kind.PROVIDERS: ProviderRow,
    Kind.SERVICES: ServiceRow,
    Kind.PILOT_SCHOOLS: PilotSchoolRow,
    Kind.OFFERS: OfferRow,
    Kind.NETWORKS: PracticeRow,
    Kind.BENCHMARKS: BenchmarkRow,
    Kind.FINDINGS: FindingRow,
}
"""The row of each kind."""

OF_A_YEAR = frozenset({Kind.MEMBERSHIPS, Kind.SERVICES, Kind.PILOT_SCHOOLS, Kind.OFFERS})
"""The kinds whose rows can be of a school year as a whole."""

MOST_NAMED = 20
"""How many columns or records a note names."""


@dataclass(frozen=True)
class Contents:
    """A parsed file.

    Attributes:
        kind: What it is about.
        rows: The readable rows by line, the header being line 1.
        findings: What could not be read, by line; those rows are left out.
        count: How many rows the file has, readable or not.
        notes: How it was read.
    """

    kind: Kind
    rows: Mapping[int, Row]
    findings: tuple[Finding, ...]
    count: int
    notes: tuple[str, ...] = ()

    def without(self, lines: frozenset[int]) -> "Contents":
        """Return the file without some lines."""
        left = {line: row for line, row in self.rows.items() if line not in lines}
        return Contents(self.kind, left, (), self.count)


def read_file(path: Path) -> Contents:
    """Read a CSV file. Its heading decides its kind.

    Raises:
        ConfigurationError: the file cannot be read, or its columns are those of no kind.
    """
    table = read_table(path)
    kind = _kind_of(path, table)
    columns = _columns(ROWS[kind], table.heading)
    notes, misspelt = _unknown_columns(kind, columns, table)
    rows: dict[int, Row] = {}
    findings = [*misspelt]
    for record in table.records:
        read = _row(kind, columns, record, table.heading)
        if isinstance(read, Row):
            rows[record.line] = read
        else:
            findings += read
    return Contents(kind, rows, tuple(findings), len(table.records), table.notes + notes)


def _row(kind: Kind, columns: Mapping[str, list[int]], record: Record, heading: tuple[str, ...]) -> Row | list[Finding]:
    line = record.line
    if record.is_total:
        return [Finding.left_out("total", "This looks like a total of the rows above.", line)]
    if record.outside:
        return [Finding.left_out("too_many_cells", "The row has more cells than the header.", line)]
    used = {at: name for name, places in columns.items() for at in places}
    broken = [used[at] for at in used if is_broken(record.cells[at])]
    if broken:
        names = ", ".join(f"`{name}`" for name in broken)
        return [Finding.left_out("broken_character", f"A character of {names} is broken: save as CSV UTF-8.", line)]
    cells = {name: next(filter(None, (record.cells[at] for at in places)), "") for name, places in columns.items()}
    try:
        return ROWS[kind].model_validate({name: cell for name, cell in cells.items() if cell})
    except ValidationError as error:
        return [_unreadable(line, str(at["loc"][0]), at["type"], at["msg"]) for at in error.errors()]


def _names(row: type[Row], field: str) -> tuple[str, ...]:
    return tuple(name_of_column(name) for name in (field, *row.other_names.get(field, ())))


def _columns(row: type[Row], heading: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the places of the columns that say each field, the preferred one first."""
    places = {
        field: [at for name in _names(row, field) for at, each in enumerate(heading) if each == name]
        for field in row.model_fields
    }
    return {field: at for field, at in places.items() if at}


def _kind_of(path: Path, table: Table) -> Kind:
    """Find the kind of a file by its columns.

    The message names only columns that Convenor knows: the first line of an unknown file may name a child.
    """
    columns = {kind: _columns(row, table.heading) for kind, row in ROWS.items()}
    whole = [kind for kind, row in ROWS.items() if columns[kind].keys() >= set(row.needs)]
    if whole:
        found = max(whole, key=lambda kind: len(columns[kind]))
        if twice := [field for field, at in columns[found].items() if len({table.heading[i] for i in at}) < len(at)]:
            raise ConfigurationError(
                f"{path.name} has these columns twice: {', '.join(twice)}.", "Leave one of each in the file."
            )
        return found
    known = sorted({table.heading[at] for found in columns.values() for places in found.values() for at in places})
    problem = f"The columns of {path.name} are those of no kind of file."
    if known:
        problem += f" Known of them are: {', '.join(known)}."
    else:
        problem = f"{path.name} has no heading line with a column that is known."
    kinds = "\n".join(f"  {kind}: {','.join(row.needs)}" for kind, row in ROWS.items())
    raise ConfigurationError(
        problem,
        f"docs/first-client.md has the columns of each kind. A file has at least those of one kind:\n{kinds}",
    )


def _unknown_columns(
    kind: Kind, columns: Mapping[str, list[int]], table: Table
) -> tuple[tuple[str, ...], list[Finding]]:
    """Name the columns that are not read, and report those that look like a misspelt one."""
    row, used = ROWS[kind], {at for places in columns.values() for at in places}
    missing = {name: field for field in row.model_fields if field not in columns for name in _names(row, field)}
    ignored, findings = [], []
    for at, name in enumerate(table.heading):
        if not name or at in used:
            continue
        if near := difflib.get_close_matches(name, missing, n=1, cutoff=0.8):
            detail = f"`{name}` is not a column of {kind}. Did you mean `{near[0]}`? It is not read."
            findings.append(Finding.applied("unknown_column", detail, 1))
        else:
            ignored.append(name)
    more = f" and {len(ignored) - MOST_NAMED} more" if len(ignored) > MOST_NAMED else ""
    named = ", ".join(name for name in ignored[:MOST_NAMED] if len(name) <= 40)
    notes = (f"These columns are not read: {named}{more}.",) if ignored else ()
    return notes, findings


def _unreadable(line: int, column: str, field_error: str, message: str) -> Finding:
    if field_error == "missing":
        return Finding.left_out("blank_cell", f"`{column}` is blank, and a row needs it.", line)
    return Finding.left_out("unreadable_cell", f"`{column}` cannot be read: {message.rstrip('.')}.", line)


def cells_of(row: Row, *names: str) -> dict[str, Any]:
    """Return what a row says in some of its columns, without blank cells."""
    return {name: value for name in names if (value := getattr(row, name)) is not None}
