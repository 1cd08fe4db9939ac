"""What may be recorded of a session, and what the first attended one does to its referral."""

from datetime import date
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.contacts import queries
from convenor.contacts.models import Attendance, Contact
from convenor.contacts.schemas import ContactCreate
from convenor.database.pools import violates
from convenor.domain_types.dates import london_date, now, start_of
from convenor.pathways.models import Actor, Pathway
from convenor.pathways.rules import states_with_contacts, steps_from
from convenor.problems import AlreadyExists, FieldErrors, StateConflict
from convenor.read_model.locking import get_for_update
from convenor.referrals.models import Referral
from convenor.referrals.resource import REFERRALS
from convenor.referrals.rules import move
from convenor.security.principal import Principal

IN_PROGRESS = "in_progress"


async def add_contact(session: AsyncSession, principal: Principal, referral_key: str, data: ContactCreate) -> Contact:
    """Records one session; the first attended one starts the work, and ends the wait on its own day.

    Raises:
        NotFound: when the caller reaches no such referral.
        StateConflict, Invalid: see `check_state` and `check_day`.
        AlreadyExists: when the organisation has recorded a session under this reference.
    """
    referral = await get_for_update(session, principal, REFERRALS, Referral, referral_key)
    pathway = await session.get_one(Pathway, (referral.pathway, referral.pathway_version))
    check_state(referral, pathway)
    check_day(london_date(referral.submitted_at), data.on)
    contact = Contact(
        area_id=referral.area_id,
        referral_id=referral.id,
        school_id=referral.school_id,
        provider_id=referral.provider_id,
        organisation_id=principal.organisation_id,
        recorded_at=now(),
        **data.model_dump(),
    )
    await _insert(session, contact)
    if data.attendance is Attendance.ATTENDED:
        first = await queries.first_attended(session, [referral.area_id], [referral.id])
        settle_start(session, principal, referral, pathway, first[referral.id])
    return contact


def check_state(referral: Referral | Row[Any], pathway: Pathway) -> None:
    """Whether sessions may be recorded for a referral as it is now.

    Raises:
        StateConflict: in a state without contacts, naming those with.
    """
    states = states_with_contacts(pathway)
    if referral.status not in states:
        raise StateConflict(
            f"The referral is {referral.status}; contacts are recorded while it is {', '.join(states)}."
            f" {_way(pathway, referral)}"
        )


def check_day(submitted_on: date, held_on: date) -> None:
    """Whether a session can have been held on a day.

    Args:
        submitted_on: the day (in Europe/London) on which the referral was submitted.
        held_on: the day of the session.

    Raises:
        Invalid: when it is before the referral.
    """
    if held_on < submitted_on:
        errors = FieldErrors()
        errors.add(
            "/on", "before_referral", f"The referral was submitted on {submitted_on}; a session cannot be earlier."
        )
        errors.raise_if_any()


def settle_start(
    session: AsyncSession, principal: Principal, referral: Referral, pathway: Pathway, first: date | None
) -> None:
    """Lets a referral's start follow its sessions, after one that was attended came, moved or was taken back.

    Args:
        session, principal: for the step and its history.
        referral: locked.
        pathway: the version that it is on.
        first: the day of its first attended session. Where a correction leaves none, the wait runs on; the referral
            stays in progress, since the pathway has no step back.
    """
    started = max(referral.submitted_at, start_of(first)) if first else None
    if first and any(step.to == IN_PROGRESS for step in steps_from(pathway, referral.status, Actor.NOBODY)):
        referral.started_at = started
        move(session, principal, referral, pathway, IN_PROGRESS, Actor.NOBODY)
    elif referral.started_at != started:
        referral.started_at = started
        referral.version += 1


def _way(pathway: Pathway, referral: Referral | Row[Any]) -> str:
    """What the service can do about a state without contacts."""
    states = states_with_contacts(pathway)
    ways = [step.to for step in steps_from(pathway, referral.status, Actor.SERVICE) if step.to in states]
    return f"Move it to {' or '.join(ways)} first." if ways else "No step of the service's leads there from here."


async def _insert(session: AsyncSession, contact: Contact) -> None:
    try:
        async with session.begin_nested():
            session.add(contact)
    except IntegrityError as error:
        if not violates(error, "contact_reference"):
            raise
        known = await queries.contact_named(session, contact)
        raise AlreadyExists(
            f"A session of your organisation has this reference already{f': {known}' if known else ''}.",
            extra={"contact": str(known)} if known else None,
        ) from error
