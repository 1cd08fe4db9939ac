"""The rules of referrals: submission, correction, and every step along the pathway."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.commissioned_services.models import CommissionedService
from convenor.commissioned_services.resource import SERVICES
from convenor.database.ids import record_code
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import now, today
from convenor.pathways.models import Actor, Pathway
from convenor.pathways.rules import current_pathway, state_of, steps_from
from convenor.problems import FieldErrors, IllegalTransition, StateConflict
from convenor.pupils.models import PupilStatement
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import Lock, lock, lock_all, resolve
from convenor.referrals import queries
from convenor.referrals.matching import lock_concerned, settle_collision, take_correction, take_first
from convenor.referrals.models import Referral
from convenor.referrals.resource import REFERRALS
from convenor.referrals.schemas import PupilSubjectCreate, ReferralCreate, ReferralUpdate, TransitionCreate
from convenor.referrals.statements import answers_of, stated
from convenor.referrals.steps import record_step, stop_return_clock
from convenor.schools.models import School
from convenor.schools.queries import line_of, lock_pupils
from convenor.schools.resource import SCHOOLS
from convenor.security.principal import Principal, RowAccess

EDITABLE_STATES = ("submitted", "returned")
"""The states in which the referrer may still correct a referral."""
EDITABLE_DETAILS = frozenset({"sen_provision"})
"""The details of a pupil that are corrected in these states only: they are of the time of the referral."""
ABOUT_THE_PUPIL = frozenset({"pupil", "same_as", "not_the_same_as", "for_all_referrals_of_the_pupil"})
"""The fields of a correction that say who the pupil is."""


async def submit_referral(
    session: AsyncSession, principal: Principal, data: ReferralCreate
) -> tuple[Referral, Sequence[Referral]]:
    """Refer a pupil, a group or a school to a service that the school's cluster buys.

    The referral keeps the cluster that the school is in today, and the version of the pathway that is current.

    Returns:
        The referral, and the others that changed with it.

    Raises:
        Invalid: names every reference that is wrong.
        Contradiction, SameNameAndBirthDate, AlreadyOpen: see `take_first`.
    """
    referral, schools, answers = await _draft(session, principal, data)
    statement, others = None, []
    if isinstance(data.subject, PupilSubjectCreate):
        statement = PupilStatement(
            area_id=referral.area_id,
            referral_id=referral.id,
            school_id=referral.school_id,
            provider_id=referral.provider_id,
            stated_at=referral.submitted_at,
            **stated(data.subject.pupil),
            **answers,
        )
        others = await take_first(session, schools, referral, statement)
    session.add(referral)
    await session.flush()
    if statement:
        session.add(statement)
    record_step(session, principal, referral, None, Actor.REFERRER)
    return referral, others


async def lock_for_correction(session: AsyncSession, principal: Principal, key: str, data: ReferralUpdate) -> None:
    """Lock the pupils of a referral's school and every referral that a correction can change, in one order.

    Args:
        session: in the caller's transaction, which holds no lock on a referral yet.
        principal: the caller.
        key: the referral's id or code.
        data: the correction, which is judged later.

    Raises:
        NotFound, AmbiguousKey: see `resolve`.
    """
    referral = await session.get_one(Referral, await resolve(session, principal, REFERRALS, key))
    if principal.row_access is RowAccess.SCHOOL and not ABOUT_THE_PUPIL.isdisjoint(data.model_fields_set):
        schools = await lock_pupils(session, referral.area_id, referral.school_id)
        if _acts_for_last(principal, referral, schools):
            await queries.seal_statements(session, referral.area_id, schools)
            changes = await _changes(session, schools, referral, data, FieldErrors())
            await lock_concerned(session, schools, referral, changes)


async def lock_for_step(session: AsyncSession, principal: Principal, key: str) -> None:
    """Lock a referral with those that it collides with, in one order: its end releases them.

    Raises:
        NotFound, AmbiguousKey: see `resolve`.
    """
    referral = await session.get_one(Referral, await resolve(session, principal, REFERRALS, key))
    if referral.collides_with:
        await lock_pupils(session, referral.area_id, referral.school_id)
        colliding = [referral, *await queries.open_beside(session, referral)]
        await lock_all(session, Referral, {(each.area_id, each.id) for each in colliding})


async def update_referral(
    session: AsyncSession, principal: Principal, referral: Referral, data: ReferralUpdate
) -> Sequence[Referral]:
    """Update a referral until the service accepts it, and what identifies its pupil in every state.

    Returns:
        The other referrals that changed.

    Raises:
        StateConflict: the service has accepted, or the caller is not the referrer or the referrer's successor.
        Invalid: the body corrects a pupil, and the referral is about none, or names one that is not known.
        Contradiction, SameNameAndBirthDate: see `take_correction`.
    """
    if principal.row_access is not RowAccess.SCHOOL:
        raise StateConflict("Only the school that made a referral can correct it. Return it with a reason instead.")
    schools = await line_of(session, referral.area_id, referral.school_id)
    _require_last(principal, referral, schools)
    late = data.model_fields_set - ABOUT_THE_PUPIL or (data.pupil and data.pupil.model_fields_set & EDITABLE_DETAILS)
    if late and referral.status not in EDITABLE_STATES:
        raise StateConflict(
            f"This referral is {referral.status}. Only {' and '.join(EDITABLE_STATES)} referrals can be corrected,"
            " apart from the pupil's numbers, names, date of birth, home authority and parent."
        )
    others: Sequence[Referral] = ()
    if not ABOUT_THE_PUPIL.isdisjoint(data.model_fields_set):
        others = await _correct_pupil(session, schools, referral, data)
    referral.sqlmodel_update(data.columns())
    referral.version += 1
    return others


def require_pupil(referral: Referral, fields: Collection[str]) -> None:
    """Refuse fields about a pupil where a referral is about none.

    Raises:
        Invalid: with an error for each field.
    """
    errors = FieldErrors()
    if referral.subject_kind != "pupil":
        for name in sorted(fields):
            errors.add(f"/{name}", "not_about_a_pupil", "This referral is not about one pupil.")
    errors.raise_if_any()


def _acts_for_last(principal: Principal, referral: Referral, schools: Sequence[UUID]) -> bool:
    return (referral.area_id, schools[0]) in principal.keys(RowAccess.SCHOOL)


def _require_last(principal: Principal, referral: Referral, schools: Sequence[UUID]) -> None:
    """Leave changes to the last successor of the school that made a referral, whose pupils are its own now."""
    if not _acts_for_last(principal, referral, schools):
        raise StateConflict("The school has a successor, which continues its referrals and alone can change them.")


async def _correct_pupil(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, data: ReferralUpdate
) -> Sequence[Referral]:
    errors, for_all = FieldErrors(), bool(data.for_all_referrals_of_the_pupil)
    require_pupil(referral, data.model_fields_set & ABOUT_THE_PUPIL)
    if for_all and data.pupil is None:
        errors.add("/pupil", "required", "Say what to correct in all referrals of the pupil.")
    if for_all and data.pupil and (of_one := sorted(data.pupil.model_fields_set & EDITABLE_DETAILS)):
        for name in of_one:
            errors.add(f"/pupil/{name}", "of_one_referral", "Correct this in each referral: it is of its time.")
    changes = await _changes(session, schools, referral, data, errors)
    errors.raise_if_any()
    return await take_correction(session, schools, referral, changes, for_all=for_all)


async def _changes(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, data: ReferralUpdate, errors: FieldErrors
) -> dict[str, Any]:
    """Return the columns of a statement that a correction changes."""
    others = data.not_the_same_as or ()
    answers = await answers_of(session, referral.area_id, schools, data.same_as, others, errors, referral.code)
    sent = {"same_as_id": "same_as", "not_the_same_as_ids": "not_the_same_as"}
    changes = {column: answers.get(column) for column, name in sent.items() if name in data.model_fields_set}
    return changes | (stated(data.pupil) if data.pupil else {})


async def transition_referral(
    session: AsyncSession, principal: Principal, referral: Referral, data: TransitionCreate
) -> Sequence[Referral]:
    """Make one step along the version of the pathway that the referral follows.

    Returns:
        The other referrals that changed.

    Raises:
        StateConflict: the school has a successor, and the caller is not it.
        IllegalTransition: names the steps that this caller may make now.
        Invalid: a field that the step requires is missing.
    """
    pathway = await session.get_one(Pathway, (referral.pathway, referral.pathway_version))
    actor = Actor.REFERRER if principal.row_access is RowAccess.SCHOOL else Actor.SERVICE
    if actor is Actor.REFERRER:
        _require_last(principal, referral, await line_of(session, referral.area_id, referral.school_id))
    steps = steps_from(pathway, referral.status, actor)
    step = next((step for step in steps if step.to == data.to), None)
    if step is None:
        raise IllegalTransition(referral.status, data.to, [step.to for step in steps])
    errors = FieldErrors()
    if data.reason_code and data.to != "declined":
        errors.add("/reason_code", "not_for_step", "This reason is only for the step to declined.")
    for name in step.requires:
        if not getattr(data, name) and not (name == "reason" and data.reason_code):
            errors.add(f"/{name}", "required", f"The step to {data.to} requires `{name}`.")
    errors.raise_if_any()
    move(session, principal, referral, pathway, data.to, actor, data)
    return await settle_collision(session, referral) if referral.ended_at and referral.collides_with else ()


def move(
    session: AsyncSession,
    principal: Principal,
    referral: Referral,
    pathway: Pathway,
    to: str,
    actor: Actor,
    data: TransitionCreate | None = None,
) -> None:
    """Move a referral to a state that the pathway allows, and record the step."""
    from_status, at = referral.status, now()
    stop_return_clock(referral, at)
    referral.returned_at = at if to == "returned" else None
    referral.status, referral.version = to, referral.version + 1
    if not state_of(pathway, to)["open"]:
        referral.ended_at = at
    record_step(session, principal, referral, from_status, actor, data)


async def _draft(
    session: AsyncSession, principal: Principal, data: ReferralCreate
) -> tuple[Referral, Sequence[UUID], dict[str, Any]]:
    """Make the row of a new referral, without its pupil. Lock its school and its service.

    Returns:
        The row; the schools whose pupils are the school's, see `line_of`; the columns of `answers_of`.

    Raises:
        Invalid: names every reference that is wrong.
    """
    connection, errors = await driver_connection(session), FieldErrors()
    service = await resolve_reference(connection, principal, SERVICES, data.service_id)
    school = await resolve_reference(connection, principal, SCHOOLS, data.school_urn)
    pathway = await current_pathway(session, data.pathway)
    if pathway is None:
        errors.unknown("/pathway", "pathway")
    if service is None:
        errors.unknown("/service_id", "service")
    if school is None or school not in principal.keys(RowAccess.SCHOOL):
        errors.unknown("/school_urn", "school")
        school = None
    provider = await _provider(session, service, errors) if service else None
    cluster, answers = None, {}
    schools: Sequence[UUID] = ()
    if school:
        # Locked, so that the school stays in the cluster read here until the referral is stored.
        await lock(session, School, school, Lock.KEEP)
        cluster = await queries.cluster_of(session, *school)
        if isinstance(data.subject, PupilSubjectCreate):
            schools = await line_of(session, *school)
            answers = await answers_of(session, school[0], schools, data.same_as, data.not_the_same_as, errors)
        else:
            for name in ("same_as", "not_the_same_as"):
                if getattr(data, name):
                    errors.add(f"/{name}", "not_about_a_pupil", "This referral is not about one pupil.")
    if school and service and not (cluster and await queries.buys(session, school[0], cluster, service[1])):
        errors.add("/service_id", "not_bought", "The school's cluster does not buy this service: see GET /v1/services.")
    errors.raise_if_any()
    assert pathway
    assert school
    assert service
    assert provider
    if isinstance(data.subject, PupilSubjectCreate):
        # Before the referral gets its time, so that a school's referrals are as old as the order of their statements.
        await lock_pupils(session, *school)
        await queries.seal_statements(session, school[0], schools)
    referral = Referral(
        area_id=school[0],
        code=record_code("R"),
        pathway_version=pathway.version,
        service_id=service[1],
        provider_id=provider,
        school_id=school[1],
        cluster_id=cluster,
        status=pathway.initial,
        submitted_at=now(),
        **data.columns(),
    )
    return referral, schools, answers


async def _provider(session: AsyncSession, service: tuple[UUID, UUID], errors: FieldErrors) -> UUID | None:
    # Shared: other referrals may name the same provider at the same time, but nobody may change it.
    found = await lock(session, CommissionedService, service, Lock.KEEP)
    day = today()
    if found.provider_id is None:
        errors.add("/service_id", "no_provider", "This service has no provider yet, so nobody could answer.")
    if (found.valid_from and found.valid_from > day) or (found.valid_to and found.valid_to <= day):
        errors.add("/service_id", "not_offered", "This service is not offered today.")
    return found.provider_id
