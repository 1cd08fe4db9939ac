"""Contacts in bulk: how a batch of lines becomes sessions. A line that says what is already stored changes nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.contacts import queries
from convenor.contacts.models import Attendance
from convenor.contacts.resource import CONTACTS
from convenor.contacts.rules import check_contact, settle_start
from convenor.contacts.schemas import ContactLine
from convenor.kit.bulk import Batch, Line, Load, Result
from convenor.kit.errors import Fault, Invalid, Problem
from convenor.kit.ids import uuid7
from convenor.kit.principal import Principal
from convenor.kit.tables import now
from convenor.pathways.models import Pathway
from convenor.referrals.models import Referral

_TAKEN = Fault(
    "/reference", "already_exists", "Your organisation uses this reference for a session of another referral."
)
_UNKNOWN = Fault("/referral_code", "not_found", "There is no such referral, or it is not yours to use.")

_Pathways = Mapping[tuple[str, int], Pathway]


@dataclass(frozen=True)
class _Step:
    """What is to be done about one line."""

    line: int
    what: Literal["created", "updated", "unchanged"]
    referral: Referral
    row: Mapping[str, Any]
    """The contact as the line has it."""
    stored: Any = None
    """The contact as it is stored, if it is."""

    @property
    def changes(self) -> list[str]:
        """The fields that an update changes."""
        return [name for name in queries.FIELDS if getattr(self.stored, name) != self.row[name]]

    @property
    def moves_start(self) -> bool:
        """Whether it may change which session was the first that was attended."""
        said = [self.row["attendance"], self.stored.attendance if self.stored else None]
        return self.what != "unchanged" and Attendance.ATTENDED in said


async def store_contacts(session: AsyncSession, principal: Principal, lines: Sequence[Line[ContactLine]]) -> Batch:
    """Stores a batch of sessions by the organisation's references, in a constant number of statements.

    The referrals are locked first, so that whoever changes them or their sessions waits. What is already stored in
    the same words is `unchanged`, whatever state the referral is in by now: a load can always be repeated.
    """
    referrals = await queries.lock_referrals(session, principal, {line.data.referral_code for line in lines})
    known = await queries.contacts_named(session, principal, [line.data.reference for line in lines])
    versions = {(referral.pathway, referral.pathway_version) for referral in referrals.values()}
    pathways = {version: await session.get_one(Pathway, version) for version in versions}
    steps, results = [], []
    for line in lines:
        try:
            steps.append(_decide(principal, line, referrals.get(line.data.referral_code), known, pathways))
        except Problem as problem:
            results.append(Result(line.number, "invalid", problem=problem))
    taken = await _write(session, steps)
    results += [Result(step.line, "invalid", problem=Invalid(faults=(_TAKEN,))) for step in steps if step.line in taken]
    done = [step for step in steps if step.line not in taken]
    await _settle(session, principal, done, pathways)
    return Batch(
        [*results, *(Result(step.line, step.what, step.row["id"]) for step in done)],
        {step.row["id"]: step.referral.area_id for step in done},
        {step.referral.pupil_id: step.referral.area_id for step in done if step.referral.pupil_id},
        _digests(principal, done),
    )


def _decide(
    principal: Principal,
    line: Line[ContactLine],
    referral: Referral | None,
    known: Mapping[tuple[UUID, str], Any],
    pathways: _Pathways,
) -> _Step:
    """What a line amounts to.

    Raises:
        Invalid, StateConflict: when it cannot be stored.
    """
    if referral is None:
        raise Invalid(faults=(_UNKNOWN,))
    stored = known.get((referral.area_id, line.data.reference))
    row = line.data.model_dump(exclude={"referral_code"}) | {
        "area_id": referral.area_id,
        "id": stored.id if stored else uuid7(),
        "referral_id": referral.id,
        "school_id": referral.school_id,
        "provider_id": referral.provider_id,
        "organisation_id": principal.organisation_id,
        "recorded_at": now(),
    }
    if stored and stored.referral_id != referral.id:
        raise Invalid(faults=(_TAKEN,))
    step = _Step(line.number, "updated" if stored else "created", referral, row, stored)
    if stored and not step.changes:
        return _Step(line.number, "unchanged", referral, row, stored)
    check_contact(referral, pathways[referral.pathway, referral.pathway_version], line.data)
    return step


async def _write(session: AsyncSession, steps: Sequence[_Step]) -> set[int]:
    """Stores what is new or changed; gives the lines whose reference another call took at the same moment."""
    created = [step for step in steps if step.what == "created"]
    updated = [step.row for step in steps if step.what == "updated"]
    stored = await queries.insert_contacts(session, [step.row for step in created]) if created else set()
    if updated:
        await queries.update_contacts(session, updated)
    return {step.line for step in created if step.row["id"] not in stored}


async def _settle(session: AsyncSession, principal: Principal, done: Sequence[_Step], pathways: _Pathways) -> None:
    moved = {step.referral.id: step.referral for step in done if step.moves_start}
    if not moved:
        return
    first = await queries.first_attended(session, principal.areas, moved)
    for referral in moved.values():
        pathway = pathways[referral.pathway, referral.pathway_version]
        settle_start(session, principal, referral, pathway, first.get(referral.id))


def _digests(principal: Principal, done: Sequence[_Step]) -> dict[str, str]:
    """The names of changed fields, each with one digest over the principal's digests, record by record."""
    digests: dict[str, Any] = {}
    updated = [step for step in done if step.what == "updated"]
    for step in sorted(updated, key=lambda step: step.row["id"]):
        for name in step.changes:
            of_row = principal.digest(step.row["id"], name, step.row[name])
            digests.setdefault(name, hashlib.sha256()).update(of_row.encode())
    return {name: digest.hexdigest()[:16] for name, digest in digests.items()}


CONTACTS_LOAD = Load(CONTACTS, ContactLine, "reference", store_contacts)
