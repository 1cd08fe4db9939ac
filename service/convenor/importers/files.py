"""Read the programme's files: find their kind, and return their rows by line. `checks` judges the rows."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from convenor.benchmarks.models import BenchmarkUnit
from convenor.configuration_error import ConfigurationError
from convenor.domain_types.codes import AreaOfNeed, Line, Phase, Prose
from convenor.importers.report import Finding

Count = Annotated[int, Field(ge=0, lt=2**31)]
"""A number that a column of the database can hold."""


class ClusterRow(BaseModel):
    """One cluster, with how many schools its sources state."""

    area: Line
    code: Line
    name: Line
    schools_2018: Count | None = None
    pilot_schools: Count | None = None
    note: Prose | None = None


class PilotSchoolRow(BaseModel):
    """One school of the 2018-19 pilot."""

    cluster: Line
    group: Line
    name: Line
    phase: Phase


class OfferRow(BaseModel):
    """One service that one cluster bought in 2025/26."""

    cluster: Line
    area_of_need: AreaOfNeed
    service: Line


class PracticeRow(BaseModel):
    """One general practice, with its network."""

    integrated_care_area: Line
    number: Count
    network: Line
    is_pcn: bool
    network_population: Count | None = None
    practice: Line


class BenchmarkRow(BaseModel):
    """One published value."""

    indicator: Line
    phase: Line
    period: Line
    geography: Line
    value: FiniteFloat
    unit: BenchmarkUnit


class FindingRow(BaseModel):
    """One finding reported for the programme."""

    code: Line
    finding: Line
    value: FiniteFloat
    unit: BenchmarkUnit
    period: Line


class Kind(StrEnum):
    """What a file is about."""

    CLUSTERS = "clusters"
    PILOT_SCHOOLS = "pilot_schools"
    OFFERS = "offers"
    NETWORKS = "networks"
    BENCHMARKS = "benchmarks"
    FINDINGS = "findings"


ROWS: Mapping[Kind, type[BaseModel]] = {
    Kind.CLUSTERS: ClusterRow,
    Kind.PILOT_SCHOOLS: PilotSchoolRow,
    Kind.OFFERS: OfferRow,
    Kind.NETWORKS: PracticeRow,
    Kind.BENCHMARKS: BenchmarkRow,
    Kind.FINDINGS: FindingRow,
}
"""The row of each kind; its fields are the columns of the file."""


@dataclass(frozen=True)
class Contents:
    """A parsed file.

    Attributes:
        kind: What it is about.
        rows: The readable rows by line, the header being line 1.
        findings: What could not be read, by line; those rows are left out.
        count: How many rows the file has, readable or not.
    """

    kind: Kind
    rows: Mapping[int, BaseModel]
    findings: tuple[Finding, ...]
    count: int


def read_file(path: Path) -> Contents:
    """Read a CSV file in UTF-8. Its header decides its kind.

    Raises:
        ConfigurationError: the file cannot be read, or its columns are those of no kind.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            columns = list(reader.fieldnames or ())
            kind = _kind_of(path, columns)
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path} cannot be read as UTF-8 CSV: {error}.", "Check the path and the file."
        ) from error
    rows: dict[int, BaseModel] = {}
    findings: list[Finding] = []
    for line, cells in lines:
        if None in cells:
            findings.append(Finding.left_out("too_many_cells", "The row has more cells than the header.", line))
            continue
        try:
            rows[line] = ROWS[kind].model_validate({name: cell for name, cell in cells.items() if cell.strip()})
        except ValidationError as error:
            findings += [_unreadable(line, str(at["loc"][0]), at["type"], at["msg"]) for at in error.errors()]
    return Contents(kind, rows, tuple(findings), len(lines))


def _kind_of(path: Path, columns: list[str]) -> Kind:
    for kind, row in ROWS.items():
        if sorted(columns) == sorted(row.model_fields):
            return kind
    known = "\n".join(f"  {kind}: {','.join(row.model_fields)}" for kind, row in ROWS.items())
    raise ConfigurationError(
        f"The columns of {path.name} are not known: {','.join(columns)}.", f"Have one of these:\n{known}"
    )


def _unreadable(line: int, column: str, field_error: str, message: str) -> Finding:
    if field_error == "missing":
        return Finding.left_out("blank_cell", f"`{column}` is blank, and a row needs it.", line)
    return Finding.left_out("unreadable_cell", f"`{column}` cannot be read: {message.rstrip('.')}.", line)
