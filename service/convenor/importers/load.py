"""Import a file into an area: check it, report by line, and apply it in one transaction."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.areas.models import Area
from convenor.configuration_error import ConfigurationError
from convenor.database.ids import uuid7
from convenor.domain_types.dates import AcademicYear
from convenor.importers.apply import apply
from convenor.importers.areas import Authority, enter_area, owner_transaction
from convenor.importers.checks import check, rows_of, within
from convenor.importers.command_audit import add_command_event
from convenor.importers.files import OF_A_YEAR, Contents, LinkRow, read_file
from convenor.importers.references import check_references
from convenor.importers.report import LoadReport, Verdict, skipped_lines
from convenor.importers.stored import Stored
from convenor.importers.upsert import Mint, Upsert
from convenor.schools.models import School
from convenor.schools.queries import lock_pupils


async def load_file(
    owner_url: str,
    path: Path,
    *,
    area: str,
    year: AcademicYear | None = None,
    dry_run: bool = False,
    apply_rest: bool = False,
) -> LoadReport:
    """Import one file into one area. Repeated, it changes nothing; corrected, it changes what it says differently.

    Args:
        owner_url: the owner's login.
        path: a CSV file with a heading.
        area: the LA code of the area, or its name where the documents are about it.
        year: the school year that the file is of, where its rows state no days.
        dry_run: only report.
        apply_rest: apply what no finding leaves out; else a file with findings is refused as a whole.

    Raises:
        ConfigurationError: the file cannot be read, there is no such area, or the file is of no year.
    """
    contents = read_file(path)
    if year and contents.kind not in OF_A_YEAR:
        raise ConfigurationError(
            f"{path.name} holds {contents.kind}, which belong to no school year.", "Leave out --year."
        )
    async with owner_transaction(owner_url) as session:
        found = await enter_area(session, area)
        report = await load_into(
            session, found, contents, year=year, dry_run=dry_run, apply_rest=apply_rest, mint=uuid7
        )
        if report.verdict is Verdict.APPLIED:
            action = f"{report.kind}:load"
            await add_command_event(session, action, areas=[found.area_id], records=[found.area_id])
        return report


async def load_into(
    session: AsyncSession,
    area: Authority,
    contents: Contents,
    *,
    year: AcademicYear | None = None,
    dry_run: bool = False,
    apply_rest: bool,
    mint: Mint,
) -> LoadReport:
    """Import a file as `load_file` does, in the caller's transaction and the area's context.

    Args:
        session: the caller commits it.
        area: the area, whose context the transaction has. It is stored first where it is not there yet.
        contents: the file.
        year, dry_run, apply_rest: as for `load_file`.
        mint: gives each new record its id.
    """
    contents = within(contents, area.la_code)
    await _lock_linked(session, area, contents)
    stored = await Stored.read(session, area, contents.kind)
    findings = check(contents, area.name, area.la_code)
    findings += check_references(stored, contents, skipped_lines(findings), year)
    upsert = Upsert(stored, mint)
    notes = contents.notes + apply(upsert, contents.without(skipped_lines(findings)), year)
    if dry_run:
        verdict = Verdict.CHECKED
    elif findings and not apply_rest:
        verdict = Verdict.REFUSED
    else:
        verdict = Verdict.APPLIED
        if not area.stored:
            upsert.rows.add(Area, area_id=area.area_id, la_code=area.la_code, name=area.name, gss_code=area.gss_code)
        await upsert.rows.store(session)
    return LoadReport(contents.kind, area.name, contents.count, findings, verdict, dict(upsert.counts), notes)


async def _lock_linked(session: AsyncSession, area: Authority, contents: Contents) -> None:
    """Lock the pupils of the schools that the file links anew: nobody refers any while their lines are joined."""
    links = {row.succession for row in rows_of(contents, LinkRow).values()} - {None}
    if not links:
        return
    columns = col(School.urn), col(School.id), col(School.successor_id)
    found = await session.execute(select(*columns).where(col(School.area_id) == area.area_id))
    schools = {urn: (school_id, successor_id) for urn, school_id, successor_id in found}
    known = [(schools[link[0]], schools[link[1]]) for link in links if link and {*link} <= schools.keys()]
    new = {school for old, later in known if old[1] != later[0] for school in (old[0], later[0])}
    for school in sorted(new):
        await lock_pupils(session, area.area_id, school)
