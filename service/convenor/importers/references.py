"""Find what in a file contradicts the records of its area."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from convenor.clusters.models import Cluster, ClusterMembership
from convenor.domain_types.dates import AcademicYear
from convenor.importers.checks import rows_of
from convenor.importers.files import (
    Contents,
    LinkRow,
    MembershipRow,
    OfferRow,
    PilotSchoolRow,
    ProviderRow,
    SchoolRow,
    ServiceRow,
)
from convenor.importers.names import same_letters
from convenor.importers.report import Finding
from convenor.importers.stored import Record, Stored, is_over, overlap
from convenor.providers.models import Provider
from convenor.schools.models import School

PILOT = AcademicYear(2018)
"""The year of the programme's own file of schools."""

EVERY_CLUSTER = "all"
"""What a service's list of clusters says instead of each one's code."""


def check_references(
    stored: Stored, contents: Contents, skipped: frozenset[int], year: AcademicYear | None
) -> tuple[Finding, ...]:
    """List what contradicts the area's records.

    Args:
        stored: the records.
        contents: the file.
        skipped: the lines that earlier findings leave out. Other lines are not compared with them.
        year: the year that the load is for.
    """
    findings = [
        *_unknown_clusters(stored, contents),
        *_unknown_providers(stored, contents),
        *_schools_without_urn(stored, contents),
        *_pilot_schools(stored, contents),
        *_providers(stored, contents),
        *_links(stored, contents.without(skipped)),
        *_memberships(stored, contents, skipped, year),
    ]
    return tuple(sorted(findings, key=lambda finding: (finding.lines, finding.code)))


def _unknown_clusters(stored: Stored, contents: Contents) -> Iterable[Finding]:
    named: defaultdict[str, list[int]] = defaultdict(list)
    for line, row in contents.rows.items():
        if isinstance(row, PilotSchoolRow | OfferRow | MembershipRow):
            named[row.cluster].append(line)
        elif isinstance(row, ServiceRow):
            for code in row.clusters or ():
                named[code].append(line)
    if not named:
        return
    known, area = stored.by(Cluster, "code"), stored.area.name
    for code, lines in named.items():
        if code == EVERY_CLUSTER:
            continue
        if code not in known:
            detail = f"{area} has no cluster {code}: load its clusters first."
            yield Finding.left_out("no_such_cluster", detail, *lines)
        elif is_over(known[code]) and isinstance(contents.rows[lines[0]], ServiceRow):
            detail = f"Cluster {code} ended on {known[code]['valid_to']}. Name its successors."
            yield Finding.left_out("cluster_has_ended", detail, *lines)


def _unknown_providers(stored: Stored, contents: Contents) -> Iterable[Finding]:
    named: defaultdict[str, list[int]] = defaultdict(list)
    for line, row in contents.rows.items():
        if isinstance(row, ServiceRow | OfferRow) and row.provider:
            named[row.provider].append(line)
    for name, lines in named.items():
        if provider_of(stored, name) is None:
            detail = f"{stored.area.name} has no provider {name}: load its providers first."
            yield Finding.left_out("no_such_provider", detail, *lines)


def provider_of(stored: Stored, name: str) -> Record | None:
    """Find a provider by its ODS code or its name."""
    return stored.by(Provider, "ods_code").get(name.upper()) or stored.by(Provider, "name").get(name)


def _schools_without_urn(stored: Stored, contents: Contents) -> Iterable[Finding]:
    rows = rows_of(contents, SchoolRow)
    if not rows:
        return
    known = stored.by(School, "urn")
    without = {same_letters(record["name"]) for record in stored.of[School] if record["urn"] is None}
    for line, row in rows.items():
        if row.urn not in known and same_letters(row.name) in without:
            yield Finding.left_out(
                "school_without_urn",
                f"“{row.name}” is there without a URN. If it is school {row.urn}, state that URN with PATCH "
                "/v1/schools/{id}, and load the file again.",
                line,
            )


def _pilot_schools(stored: Stored, contents: Contents) -> Iterable[Finding]:
    rows = rows_of(contents, PilotSchoolRow)
    named = stored.groups(School, "name") if rows else {}
    for line, row in rows.items():
        if not row.urn and len(named.get(row.name, ())) > 1:
            detail = f"Several schools are named “{row.name}”: add a column `urn`."
            yield Finding.left_out("several_schools", detail, line)


def _providers(stored: Stored, contents: Contents) -> Iterable[Finding]:
    rows = rows_of(contents, ProviderRow)
    if not rows:
        return
    by_code, by_name = stored.by(Provider, "ods_code"), stored.by(Provider, "name")
    lines_of: defaultdict[str, list[int]] = defaultdict(list)
    for line, row in rows.items():
        lines_of[row.name].append(line)
        coded, named = by_code.get(row.ods_code) if row.ods_code else None, by_name.get(row.name)
        if named and named is not coded and row.ods_code and (coded or named["ods_code"]):
            yield Finding.left_out(
                "contradiction", f"“{row.name}” is there already, as another provider than {row.ods_code}.", line
            )
    for name, lines in lines_of.items():
        if len(lines) > 1:
            yield Finding.left_out("contradiction", f"“{name}” stands for several providers.", *lines)


def _links(stored: Stored, contents: Contents) -> Iterable[Finding]:
    rows = rows_of(contents, LinkRow)
    if not rows:
        return
    known = stored.by(School, "urn")
    wanted = {line: row.succession for line, row in rows.items()}
    successor: dict[Any, Any] = {record["id"]: record["successor_id"] for record in stored.of[School]}
    urns = {record["id"]: record["urn"] or record["name"] for record in stored.of[School]}
    # One school after another, because each link can join the pupils of two lines of schools.
    with_pupils = {_last(successor, school) for school in stored.with_pupils}
    for line, link in wanted.items():
        if link is None or link[0] not in known or link[1] not in known:
            continue
        old, new = known[link[0]], known[link[1]]
        present = successor[old["id"]]
        if present == new["id"]:
            continue
        if present is not None:
            yield Finding.left_out(
                "another_successor",
                f"School {old['urn']} has a successor already, {urns[present]}. A school has one at most.",
                line,
            )
            continue
        if old["status"] != "closed":
            detail = f"School {old['urn']} is not closed. Load the register's schools first."
            yield Finding.left_out("not_closed", detail, line)
            continue
        end = _last(successor, new["id"])
        if end == old["id"]:
            yield Finding.left_out("circle", f"Schools {link[0]} and {link[1]} would succeed each other.", line)
            continue
        if {old["id"], end} <= with_pupils:
            yield Finding.left_out(
                "pupils_of_both",
                f"Schools {link[0]} and {link[1]} both have pupils here. A load does not join them.",
                line,
            )
            continue
        successor[old["id"]] = new["id"]
        if old["id"] in with_pupils:
            with_pupils.add(end)


def _last(successor: dict[Any, Any], school: Any) -> Any:
    while (after := successor.get(school)) is not None:
        school = after
    return school


@dataclass(frozen=True)
class _Membership:
    """A membership that a line states, with the school if it is stored."""

    school: Record | None
    cluster: Record
    first: date
    end: date | None


def _memberships(
    stored: Stored, contents: Contents, skipped: frozenset[int], year: AcademicYear | None
) -> Iterable[Finding]:
    clusters = stored.by(Cluster, "code") if Cluster in stored.of else {}
    stated: dict[int, _Membership] = {}
    for line, row in contents.rows.items():
        if isinstance(row, PilotSchoolRow) and row.cluster in clusters:
            of = year or PILOT
            end = AcademicYear(of.start + 1).first_day
            stated[line] = _Membership(pilot_school(stored, row), clusters[row.cluster], of.first_day, end)
        elif isinstance(row, MembershipRow) and row.cluster in clusters and (row.urn or row.laestab):
            school, (first, until) = stored.school(row.urn, row.laestab), period_of(row, year)
            if school is None:
                detail = f"{stored.area.name} has no school {row.urn or row.laestab}: load its schools first."
                yield Finding.left_out("no_such_school", detail, line)
            elif first is None:
                detail = "`valid_from` is blank: state it, or load the file with --year."
                yield Finding.left_out("blank_cell", detail, line)
            else:
                stated[line] = _Membership(school, clusters[row.cluster], first, until)
    for line, membership in list(stated.items()):
        for finding in _outside(membership, line):
            yield finding
            stated.pop(line, None)
    stated = {line: membership for line, membership in stated.items() if line not in skipped}
    # A row may rely on one that is left out, such as the end of an earlier membership: until nothing is left out.
    while lines := _overlapping(stored, stated):
        for line, detail in lines.items():
            yield Finding.left_out("another_cluster", detail, line)
            del stated[line]


def _outside(membership: _Membership, line: int) -> Iterable[Finding]:
    school, cluster = membership.school, membership.cluster
    if school and school["closed_on"] and membership.first >= school["closed_on"]:
        detail = f"The school is closed from {school['closed_on']}. Its successor may join."
        yield Finding.left_out("school_is_closed", detail, line)
    if cluster["valid_from"] and membership.first < cluster["valid_from"]:
        detail = f"Cluster {cluster['code']} began on {cluster['valid_from']}."
        yield Finding.left_out("before_cluster", detail, line)
    if cluster["valid_to"] and (membership.end is None or membership.end > cluster["valid_to"]):
        detail = f"Cluster {cluster['code']} ended on {cluster['valid_to']}. Name its successors."
        yield Finding.left_out("cluster_has_ended", detail, line)


def pilot_school(stored: Stored, row: PilotSchoolRow) -> Record | None:
    """Find a school by its URN, or by its name where one of the two has no URN."""
    found = stored.by(School, "urn").get(row.urn) if row.urn else None
    named = stored.by(School, "name").get(row.name)
    return found or (named if named and not (row.urn and named["urn"]) else None)


def period_of(row: MembershipRow | ServiceRow, year: AcademicYear | None) -> tuple[date | None, date | None]:
    """Return the first day of a row, and the first day after it: as stated, or else those of the load's year."""
    if row.valid_from is None and row.valid_to is None and year:
        return year.first_day, AcademicYear(year.start + 1).first_day
    return row.valid_from or (year.first_day if year else None), row.valid_to


def _overlapping(stored: Stored, stated: Mapping[int, _Membership]) -> dict[int, str]:
    """Return the lines by which a school would be in two clusters at once."""
    if not stated:
        return {}
    codes = {record["id"]: record["code"] for record in stored.of[Cluster]}
    present: defaultdict[Any, dict[Any, Record]] = defaultdict(dict)
    for record in stored.of[ClusterMembership]:
        present[record["school_id"]][record["cluster_id"], record["valid_from"]] = record
    known = [(line, each.school["id"], each) for line, each in stated.items() if each.school]
    for _, school, membership in known:
        key = membership.cluster["id"], membership.first
        before = present[school].get(key)
        end = membership.end or (before and before["valid_to"])
        present[school][key] = {"valid_from": membership.first, "valid_to": end}
    found = {}
    for line, school, membership in known:
        own = membership.cluster["id"], membership.first
        end = present[school][own]["valid_to"]
        for other, record in present[school].items():
            if other != own and overlap(record, membership.first, end):
                until = f" until {record['valid_to']}" if record["valid_to"] else ""
                since = f" since {record['valid_from']}" if record["valid_from"] else ""
                found[line] = f"The school is in cluster {codes[other[0]]}{since}{until}: end that first."
    return found
