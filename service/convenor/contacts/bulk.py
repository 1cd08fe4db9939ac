"""Import contacts in bulk: store a batch of lines as sessions. A line that is already stored changes nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.bulk_import import Batch, BulkImport, Line, Result
from convenor.contacts import queries
from convenor.contacts.models import Attendance
from convenor.contacts.resource import CONTACTS
from convenor.contacts.rules import check_day, check_handover, check_state, settle_start
from convenor.contacts.schemas import ContactLine
from convenor.database.ids import uuid7
from convenor.domain_types.dates import london_date, now
from convenor.pathways.models import Pathway
from convenor.problems import FieldError, Invalid, Problem, StateConflict
from convenor.security.principal import Principal

_TAKEN = FieldError(
    "/reference", "already_exists", "Your organisation uses this reference for a session of another referral."
)
_UNKNOWN = FieldError("/referral_code", "not_found", "There is no such referral, or it is not yours to use.")

_Pathways = Mapping[tuple[str, int], Pathway]


@dataclass(frozen=True, slots=True)
class _Case:
    """A referral that lines are about, with what is the same for all of them."""

    referral: Row[Any]
    submitted_on: date
    started_on: date | None
    refusal: StateConflict | None
    """The refusal, if sessions may not be recorded in its state."""

    @classmethod
    def of(cls, referral: Row[Any], pathway: Pathway) -> "_Case":
        refusal = None
        try:
            check_state(referral, pathway)
        except StateConflict as problem:
            refusal = problem
        started = referral.started_at
        return cls(referral, london_date(referral.submitted_at), started and london_date(started), refusal)


@dataclass(slots=True)
class _Step:
    """What to do with one line."""

    line: int
    result: Literal["created", "updated", "unchanged"]
    case: _Case
    data: ContactLine
    id: UUID
    stored: Any = None
    """The contact as it is stored, if it is."""

    @property
    def changes(self) -> list[str]:
        """Return the fields that an update changes."""
        return [name for name in queries.FIELDS if getattr(self.stored, name) != getattr(self.data, name)]

    @property
    def moves_start(self) -> bool:
        """Whether it may change which session was the first attended one."""
        attended = self.data.attendance is Attendance.ATTENDED
        if self.result == "created":
            return attended and (self.case.started_on is None or self.data.on < self.case.started_on)
        return self.result == "updated" and (attended or self.stored.attendance == Attendance.ATTENDED)


async def store_contacts(session: AsyncSession, principal: Principal, lines: Sequence[Line[ContactLine]]) -> Batch:
    """Store a batch of sessions by the organisation's references, in a constant number of statements.

    The referrals are locked first, so that other changes of them or their sessions wait. A line that is already stored
    is `unchanged` in any state of its referral, so that an import can always be repeated.
    """
    referrals = await queries.lock_referrals(session, principal, {line.data.referral_code for line in lines})
    known = await queries.contacts_named(session, principal, [line.data.reference for line in lines])
    versions = {(referral.pathway, referral.pathway_version) for referral in referrals}
    pathways = {version: await session.get_one(Pathway, version) for version in versions}
    cases = {
        referral.code: _Case.of(referral, pathways[referral.pathway, referral.pathway_version])
        for referral in referrals
    }
    steps, results = [], []
    for line in lines:
        try:
            steps.append(_decide(line, cases.get(line.data.referral_code), known))
        except Problem as problem:
            results.append(Result(line.number, "invalid", problem=problem))
    taken = await _write(session, principal, steps)
    results += [Result(step.line, "invalid", problem=Invalid(errors=(_TAKEN,))) for step in steps if step.id in taken]
    done = [step for step in steps if step.id not in taken] if taken else steps
    await _settle(session, principal, done, pathways)
    results += [Result(step.line, step.result, step.id) for step in done]
    about = {step.data.referral_code: step.case for step in done}
    return Batch(
        results,
        {step.id: step.case.referral.area_id for step in done} if len(principal.areas) > 1 else {},
        {case.referral.statement_id: case.referral.area_id for case in about.values() if case.referral.statement_id},
        _digests(principal, done),
    )


def _decide(line: Line[ContactLine], case: _Case | None, known: Mapping[tuple[UUID, str], Any]) -> _Step:
    """Decide what to do with a line.

    Raises:
        Invalid, StateConflict: it cannot be stored.
    """
    if case is None:
        raise Invalid(errors=(_UNKNOWN,))
    data, referral = line.data, case.referral
    stored = known.get((referral.area_id, data.reference))
    if stored and stored.referral_id != referral.id:
        raise Invalid(errors=(_TAKEN,))
    step = _Step(line.number, "updated" if stored else "created", case, data, stored.id if stored else uuid7(), stored)
    if stored and not step.changes:
        step.result = "unchanged"
        return step
    check_handover(referral, referral.continued_by, data.on)
    if case.refusal:
        raise case.refusal
    check_day(case.submitted_on, data.on)
    return step


async def _write(session: AsyncSession, principal: Principal, steps: Sequence[_Step]) -> set[UUID]:
    """Store new and changed sessions; return the ids of those whose reference another call took at the same time."""
    created = [step for step in steps if step.result == "created"]
    updated = [step for step in steps if step.result == "updated"]
    if updated:
        keys = [(step.case.referral.area_id, step.id) for step in updated]
        await queries.update_contacts(session, keys, [step.data for step in updated])
    if not created:
        return set()
    return await queries.insert_contacts(
        session,
        principal.organisation_id,
        now(),
        [_keys(step) for step in created],
        [step.data for step in created],
    )


def _keys(step: _Step) -> tuple[UUID, ...]:
    referral = step.case.referral
    return referral.area_id, step.id, referral.id, referral.school_id, referral.provider_id


async def _settle(session: AsyncSession, principal: Principal, done: Sequence[_Step], pathways: _Pathways) -> None:
    moved = {step.case.referral.id for step in done if step.moves_start}
    if not moved:
        return
    first = await queries.first_attended(session, principal.areas, moved)
    for referral in await queries.referrals_of(session, principal.areas, moved):
        pathway = pathways[referral.pathway, referral.pathway_version]
        settle_start(session, principal, referral, pathway, first.get(referral.id))


def _digests(principal: Principal, done: Sequence[_Step]) -> dict[str, str]:
    """Return the names of the changed fields, each with one digest over the digests of all records."""
    digests: dict[str, Any] = {}
    updated = [step for step in done if step.result == "updated"]
    for step in sorted(updated, key=lambda step: step.id):
        for name in step.changes:
            of_row = principal.digest(step.id, name, getattr(step.data, name))
            digests.setdefault(name, hashlib.sha256()).update(of_row.encode())
    return {name: digest.hexdigest()[:16] for name, digest in digests.items()}


CONTACTS_BULK_IMPORT = BulkImport(CONTACTS, ContactLine, "reference", store_contacts)
