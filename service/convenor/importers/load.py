"""Import one of the programme's files into an area: check it, report by line, and apply it in one transaction."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.database.ids import uuid7
from convenor.importers.apply import Mint, apply, check_references
from convenor.importers.areas import Authority, enter_area, owner_transaction
from convenor.importers.checks import check
from convenor.importers.files import read_file
from convenor.importers.report import LoadReport, Verdict, skipped_lines


async def load_file(
    owner_url: str, path: Path, *, area: str, dry_run: bool = False, apply_rest: bool = False
) -> LoadReport:
    """Import one file into one area. Existing records do not change, so that an import can be repeated.

    Args:
        owner_url: the owner's login.
        path: a CSV file in UTF-8 with a header.
        area: the LA code of the area, or its name where the documents are about it.
        dry_run: only report.
        apply_rest: apply what no finding leaves out; else a file with findings is refused as a whole.

    Raises:
        ConfigurationError: the file cannot be read, or there is no such area.
    """
    async with owner_transaction(owner_url) as session:
        found = await enter_area(session, area)
        return await load_into(session, found, path, dry_run=dry_run, apply_rest=apply_rest, mint=uuid7)


async def load_into(
    session: AsyncSession,
    area: Authority,
    path: Path,
    *,
    dry_run: bool,
    apply_rest: bool,
    mint: Mint,
) -> LoadReport:
    """Import a file as `load_file` does, in the caller's transaction and the area's context.

    Args:
        session: the caller commits it.
        area: the area, whose context the transaction has.
        path: as for `load_file`.
        dry_run, apply_rest: as for `load_file`.
        mint: gives each new record its id.
    """
    contents = read_file(path)
    findings = check(contents, area.name) + await check_references(session, area, contents)
    verdict, created = Verdict.CHECKED, 0
    if not dry_run and findings and not apply_rest:
        verdict = Verdict.REFUSED
    elif not dry_run:
        verdict, created = Verdict.APPLIED, await apply(session, area, contents, skipped_lines(findings), mint)
    return LoadReport(contents.kind, area.name, contents.count, findings, verdict, created)
