"""The rules of sessions, and how the first attended session starts the work on its referral."""

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
    """Record one session. The first attended one starts the work, and ends the wait on its own day.

    Raises:
        NotFound: the caller has no access to such a referral.
        StateConflict, Invalid: see `check_handover`, `check_state` and `check_day`.
        AlreadyExists: the organisation has already recorded a session under this reference.
    """
    referral = await get_for_update(session, principal, REFERRALS, Referral, referral_key)
    pathway = await session.get_one(Pathway, (referral.pathway, referral.pathway_version))
    check_handover(referral, await queries.continuing_code(session, referral), data.on)
    check_state(referral, pathway)
    check_day(london_date(referral.submitted_at), data.on)
    contact = Contact(
        area_id=referral.area_id,
        referral_id=referral.id,
        school_id=referral.school_id,
        provider_id=referral.provider_id,
        organisation_id=principal.organisation_id,
        recorded_at=now(),
        **data.columns(),
    )
    if contact.reference:
        await queries.seal_contacts(session, principal, [contact.reference])
    await _insert(session, contact)
    if data.attendance is Attendance.ATTENDED:
        first = await queries.first_attended(session, [referral.area_id], [referral.id])
        settle_start(session, principal, referral, pathway, first[referral.id])
    return contact


def check_state(referral: Referral | Row[Any], pathway: Pathway) -> None:
    """Refuse sessions for a referral in a state without contacts.

    Raises:
        StateConflict: names the states in which contacts may be recorded.
    """
    states = states_with_contacts(pathway)
    if referral.status not in states:
        raise StateConflict(
            f"The referral is {referral.status}; contacts are recorded while it is {', '.join(states)}."
            f" {_remedy(pathway, referral)}"
        )


def check_handover(referral: Referral | Row[Any], continued_by: str | None, held_on: date) -> None:
    """Refuse a session of a referral on or after the day on which it was handed over.

    Args:
        referral: the referral.
        continued_by: the code of the referral that continues it.
        held_on: the day of the session.

    Raises:
        Invalid: names the referral that the session belongs to.
    """
    if continued_by and referral.ended_at and held_on >= (since := london_date(referral.ended_at)):
        errors = FieldErrors()
        errors.add(
            "/on",
            "handed_over",
            f"The pupil moved, and referral {continued_by} continues this one since {since}. Record the session there.",
        )
        errors.raise_if_any()


def check_day(submitted_on: date, held_on: date) -> None:
    """Refuse a session that is dated before its referral.

    Args:
        submitted_on: the day (in Europe/London) on which the referral was submitted.
        held_on: the day of the session.

    Raises:
        Invalid: the session is dated before the referral.
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
    """Align the start of a referral with its first attended session, after its sessions changed.

    Args:
        session: in the caller's transaction.
        principal: the caller, for the history.
        referral: locked.
        pathway: the version that the referral follows.
        first: the day of its first attended session. If a correction leaves none, the wait continues; the referral
            stays in progress, since the pathway has no step back.
    """
    started = max(referral.submitted_at, start_of(first)) if first else None
    if first and any(step.to == IN_PROGRESS for step in steps_from(pathway, referral.status, Actor.NOBODY)):
        referral.started_at = started
        move(session, principal, referral, pathway, IN_PROGRESS, Actor.NOBODY)
    elif referral.started_at != started:
        referral.started_at = started
        referral.version += 1


def _remedy(pathway: Pathway, referral: Referral | Row[Any]) -> str:
    """Describe what the service can do about a state without contacts."""
    states = states_with_contacts(pathway)
    targets = [step.to for step in steps_from(pathway, referral.status, Actor.SERVICE) if step.to in states]
    return f"Move it to {' or '.join(targets)} first." if targets else "The service can make no step to such a state."


async def _insert(session: AsyncSession, contact: Contact) -> None:
    try:
        async with session.begin_nested():
            session.add(contact)
    except IntegrityError as error:
        if not violates(error, "contact_reference"):
            raise
        known = await queries.contact_named(session, contact)
        raise AlreadyExists(
            f"A session of your organisation already has this reference{f': {known}' if known else ''}.",
            extra={"contact": str(known)} if known else None,
        ) from error
