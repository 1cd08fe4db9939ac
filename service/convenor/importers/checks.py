"""Find what a person should look at in a file before it is applied, without the database."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import TypeVar

from convenor import reference
from convenor.importers.files import (
    BenchmarkRow,
    ClusterRow,
    Contents,
    FindingRow,
    LinkRow,
    MembershipRow,
    OfferRow,
    PilotSchoolRow,
    PracticeRow,
    ProviderRow,
    SchoolRow,
    ServiceRow,
    read_file,
)
from convenor.importers.names import likely_same, same_letters
from convenor.importers.report import Finding

Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)

OTHER_AUTHORITIES = ("Isles of Scilly",)
"""Authorities of their own that a network of a neighbouring area may take in."""


def within(contents: Contents, la_code: str) -> Contents:
    """Return a file without the schools of other authorities, which a note counts: an extract may hold all."""
    elsewhere = [line for line, row in rows_of(contents, SchoolRow).items() if row.la_code not in (None, la_code)]
    if not elsewhere:
        return contents
    rows = {line: row for line, row in contents.rows.items() if line not in set(elsewhere)}
    note = f"{len(elsewhere)} schools of other authorities are left out."
    return replace(contents, rows=rows, notes=(*contents.notes, note))


def check(contents: Contents, area: str, la_code: str) -> tuple[Finding, ...]:
    """List all findings about a file for the area of this name and code, in the order of its lines."""
    findings = [*contents.findings]
    findings += _clusters(rows_of(contents, ClusterRow), area, la_code)
    findings += _schools(rows_of(contents, SchoolRow))
    findings += _links(rows_of(contents, LinkRow))
    findings += _memberships(rows_of(contents, MembershipRow))
    findings += _repeats(rows_of(contents, ProviderRow), lambda row: row.ods_code or row.name)
    findings += _services(rows_of(contents, ServiceRow))
    findings += _pilot_schools(rows_of(contents, PilotSchoolRow), area)
    findings += _offers(rows_of(contents, OfferRow))
    findings += _practices(rows_of(contents, PracticeRow), area)
    findings += _repeats(
        rows_of(contents, BenchmarkRow), lambda row: (row.indicator, row.phase, row.period, row.geography)
    )
    findings += _repeats(rows_of(contents, FindingRow), lambda row: (row.code, row.period))
    return tuple(sorted(findings, key=lambda finding: (finding.lines, finding.code)))


def rows_of(contents: Contents, row: type[Row]) -> dict[int, Row]:
    """Return a file's rows by line if they are of this kind, else none."""
    return {line: found for line, found in contents.rows.items() if isinstance(found, row)}


def is_elsewhere(row: PracticeRow, area: str) -> str | None:
    """Return the county in a practice's name, as in "Bradworthy Surgery (Devon)", where it is not the area."""
    county = re.search(r"\(([^)]+)\)$", row.practice)
    return county[1] if county and county[1].casefold() != area.casefold() else None


def _clusters(rows: Mapping[int, ClusterRow], area: str, la_code: str) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: (row.area, row.code))
    for line, row in rows.items():
        if row.area and row.area.casefold() not in (area.casefold(), la_code):
            yield Finding.left_out("other_area", f"Cluster {row.code} is one of {row.area}, not of {area}.", line)


def _schools(rows: Mapping[int, SchoolRow]) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: row.urn)
    for line, row in rows.items():
        yield from _period(line, row.opened_on, row.first_closed_day)


def _links(rows: Mapping[int, LinkRow]) -> Iterable[Finding]:
    for line, row in rows.items():
        if row.succession and row.urn == row.link_urn:
            yield Finding.left_out("own_successor", f"School {row.urn} is linked to itself.", line)


def _memberships(rows: Mapping[int, MembershipRow]) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: (row.urn or row.laestab, row.cluster, row.valid_from))
    for line, row in rows.items():
        if not row.urn and not row.laestab:
            yield Finding.left_out("blank_cell", "`urn` and `laestab` are blank, and a row needs one.", line)
        yield from _period(line, row.valid_from, row.valid_to)


def _services(rows: Mapping[int, ServiceRow]) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: row.code)
    for line, row in rows.items():
        yield from _period(line, row.valid_from, row.valid_to)


def _period(line: int, first: date | None, end: date | None) -> Iterable[Finding]:
    if first and end and end <= first:
        yield Finding.left_out("ends_before_it_starts", f"The end, {end}, does not lie after the start, {first}.", line)


def _pilot_schools(rows: Mapping[int, PilotSchoolRow], area: str) -> Iterable[Finding]:
    yield from _repeats({line: row for line, row in rows.items() if row.urn}, lambda row: row.urn)
    stated = {
        row.code: row.pilot_schools
        for row in rows_of(read_file(reference.CLUSTERS), ClusterRow).values()
        if row.area == area
    }
    for cluster, lines in _lines_by(rows, lambda row: row.cluster).items():
        expected = stated.get(cluster)
        if expected is not None and len(lines) != expected:
            yield Finding.applied(
                "count_differs",
                f"Cluster {cluster} has {len(lines)} names where {expected} are stated. "
                "They are applied, unless another finding leaves one out.",
                *lines,
            )
    for lines in _lines_by(rows, lambda row: (likely_same(row.name), row.phase)).values():
        if len(lines) == 1:
            continue
        spellings = " and ".join(f"“{rows[line].name}” (cluster {rows[line].cluster})" for line in lines)
        if len({rows[line].cluster for line in lines}) > 1:
            yield Finding.left_out(
                "probably_one_school",
                f"{spellings} are probably one school, which cannot be in two clusters at once. Neither is applied.",
                *lines,
            )
        else:
            yield Finding.left_out("duplicate", f"{spellings} are probably one school. The first stays.", *lines[1:])


def _offers(rows: Mapping[int, OfferRow]) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: (row.cluster, row.area_of_need, row.service))
    for lines in _lines_by(rows, lambda row: (row.area_of_need, same_letters(row.service))).values():
        spellings = sorted({rows[line].service for line in lines})
        if len(spellings) > 1:
            listed = " and ".join(f"“{spelling}”" for spelling in spellings)
            yield Finding.applied(
                "probably_one_service",
                f"{listed} are probably one service. They are applied as they are written: as {len(spellings)}.",
                *lines,
            )


def _practices(rows: Mapping[int, PracticeRow], area: str) -> Iterable[Finding]:
    yield from _repeats(rows, lambda row: (row.number, row.practice))
    for number, lines in _lines_by(rows, lambda row: row.number).items():
        of_network = [rows[line] for line in lines]
        name = of_network[0].network
        if len({(row.network, row.is_pcn, row.network_population, row.integrated_care_area) for row in of_network}) > 1:
            yield Finding.left_out("contradiction", f"Row {number} is described in more than one way.", *lines)
        if not of_network[0].is_pcn:
            yield Finding.applied(
                "not_a_network",
                f"Row {number}, “{name}”, is not a PCN. It is applied as what it is: practices outside any network.",
                *lines,
            )
        for authority in OTHER_AUTHORITIES:
            if authority in name:
                yield Finding.applied(
                    "two_authorities",
                    f"Row {number}, “{name}”, spans two authorities: its population counts {authority} too.",
                    *lines,
                )
        elsewhere = [line for line in lines if is_elsewhere(rows[line], area)]
        if elsewhere:
            counties = ", ".join(sorted({str(is_elsewhere(rows[line], area)) for line in elsewhere}))
            yield Finding.applied(
                "population_in_part",
                f"Row {number}, “{name}”, has practices in {counties}, and its population counts the patients of "
                f"{area} only. It is applied without a population, which would have to be the whole network's.",
                *elsewhere,
            )


def _repeats(rows: Mapping[int, Row], key: Callable[[Row], Hashable]) -> Iterable[Finding]:
    for lines in _lines_by(rows, key).values():
        if len(lines) == 1:
            continue
        if all(rows[line] == rows[lines[0]] for line in lines):
            yield Finding.left_out("duplicate", f"The same row is on line {lines[0]}, which is applied.", *lines[1:])
        else:
            yield Finding.left_out("contradiction", "These rows are about the same and say different things.", *lines)


def _lines_by(rows: Mapping[int, Row], key: Callable[[Row], Key]) -> dict[Key, list[int]]:
    found: defaultdict[Key, list[int]] = defaultdict(list)
    for line, row in rows.items():
        found[key(row)].append(line)
    return dict(found)
