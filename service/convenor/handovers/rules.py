"""The rules of handovers: what a new school may ask, and what the school that knows the pupil may decide."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.commissioned_services.models import CommissionedService
from convenor.database.ids import record_code
from convenor.database.pools import driver_connection
from convenor.database.row_security import acting_for_area
from convenor.domain_types.dates import now
from convenor.handovers import queries
from convenor.handovers.matching import NUMBERS, still_agrees
from convenor.handovers.models import (
    Handover,
    HandoverDecision,
    HandoverRequest,
    HandoverStatement,
    HandoverStatus,
    RequestStatus,
)
from convenor.handovers.resource import HANDOVER_REQUESTS
from convenor.handovers.schemas import HandoverCreate, HandoverDecisionCreate, HandoverTransitionCreate
from convenor.pathways.models import Actor
from convenor.problems import FieldErrors, Member, Problem, ScopeMissing, StateConflict
from convenor.pupils.models import PupilStatement
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import Lock, lock, lock_all, resolve
from convenor.referrals.continuing import draft_continuing, end_handed_over, store_continuing
from convenor.referrals.matching import judge_statement
from convenor.referrals.models import Referral
from convenor.referrals.queries import seal_statements
from convenor.referrals.refusals import Contradiction
from convenor.referrals.statements import answers_of, stated
from convenor.schools.models import School
from convenor.schools.queries import line_of, lock_pupils
from convenor.schools.resource import SCHOOLS
from convenor.security.principal import FieldSensitivity, Principal, RowAccess

LIFE = timedelta(days=30)
"""How long a school may be waited for."""
WITHOUT_REASON = "Continues a referral of the pupil's earlier school."
"""The reason of what passes, where the new school gave none."""
IDENTIFY = "pupils:identify"
OF_STATEMENT = {*PupilStatement.model_fields} & {*HandoverStatement.model_fields} - {"id"}
"""The columns that the statement of a handover and those of referrals share; the ciphertexts are a row's own."""


class AlreadyAsked(Problem):
    """Your school already asks for this pupil."""

    status, code, title = 409, "handover_already_asked", "Handover already asked"
    cause = "A handover that your school asks states one of these numbers. `handover` names it."
    remedy = "Wait for it to be completed or to lapse. If it is wrong, withdraw it, and ask again."
    carries = (Member("handover", str, "the code of the handover."),)

    def __init__(self, asked: Handover) -> None:
        self.asked = asked
        super().__init__(f"Your school already asks for this pupil: {asked.code}.", extra={"handover": asked.code})


async def ask_handover(session: AsyncSession, principal: Principal, data: HandoverCreate) -> Handover:
    """Store what a school asks. Whose pupil it is about, the worker finds after the commit.

    Raises:
        Invalid: the school is not the caller's or has a successor, or no number is stated.
        Contradiction, SameNameAndBirthDate: see `judge_statement`.
        AlreadyAsked: the school asks for the same child already.
    """
    errors = FieldErrors()
    school = await resolve_reference(await driver_connection(session), principal, SCHOOLS, data.school_urn)
    if school is None or school not in principal.keys(RowAccess.SCHOOL):
        errors.unknown("/school_urn", "school")
        school = None
    columns = stated(data.pupil)
    numbers = {name: columns[name] for name in NUMBERS if columns.get(name)}
    if not numbers:
        errors.add("/pupil", "number_required", "State the pupil's UPN or NHS number: only numbers are matched.")
    schools: Sequence[UUID] = await line_of(session, *school) if school else ()
    answers = {}
    if school:
        answers = await answers_of(session, school[0], schools, data.same_as, data.not_the_same_as, errors)
    errors.raise_if_any()
    assert school
    area, school_id = school
    await lock(session, School, school, Lock.KEEP_KEY)
    schools = await lock_pupils(session, area, school_id)
    if schools[0] != school_id:
        errors.add("/school_urn", "has_successor", "This school has a successor, which alone asks. State its URN.")
    errors.raise_if_any()
    await seal_statements(session, area, schools)
    if asked := await queries.asked_before(session, area, schools, numbers):
        raise AlreadyAsked(asked)
    asked_at = now()
    statement = HandoverStatement(area_id=area, school_id=school_id, **columns, **answers)
    await judge_statement(session, schools, *_imagined(statement))
    handover = Handover(
        area_id=area,
        code=record_code("H"),
        school_id=school_id,
        statement_id=statement.id,
        status=HandoverStatus.ASKED,
        client_id=principal.client_id,
        organisation=principal.organisation,
        asked_at=asked_at,
        lapses_at=asked_at + LIFE,
        referrals=[],
        **data.columns(),
    )
    session.add(statement)
    await session.flush()
    session.add(handover)
    await session.flush()
    await queries.add_matching(session, handover)
    return handover


async def withdraw_handover(
    session: AsyncSession, principal: Principal, handover: Handover, _data: HandoverTransitionCreate
) -> None:
    """Take back what was asked. The worker ends the requests, so that nothing here depends on whether there are any.

    Raises:
        StateConflict: the caller did not ask, or is not its successor, or it is completed, lapsed or withdrawn.
    """
    schools = await line_of(session, handover.area_id, handover.school_id)
    if (handover.area_id, schools[0]) not in principal.keys(RowAccess.SCHOOL):
        raise StateConflict("Only the school that asked withdraws a handover; its successor, where it has one.")
    if not is_asked(handover):
        raise StateConflict("This handover is over: it is completed, lapsed or withdrawn.")
    handover.status, handover.version = HandoverStatus.WITHDRAWN, handover.version + 1
    await queries.add_matching(session, handover)


def is_asked(handover: Handover) -> bool:
    """Tell whether a handover can still be completed."""
    return handover.status == HandoverStatus.ASKED and handover.lapses_at > now()


async def lock_for_decision(session: AsyncSession, principal: Principal, key: str) -> None:
    """Lock the services of a request's open referrals and its handover, in the order of locks.

    Raises:
        NotFound: there is no such request, or the caller may not see it.
    """
    request = await session.get_one(HandoverRequest, await resolve(session, principal, HANDOVER_REQUESTS, key))
    referrals = await queries.open_referrals(session, request.area_id, request.pupil_id)
    await lock_all(session, CommissionedService, {(each.area_id, each.service_id) for each in referrals}, Lock.KEEP)
    async with acting_for_area(session, principal, request.area_id):
        await lock(session, Handover, (request.area_id, request.handover_id))


async def decide(
    session: AsyncSession, principal: Principal, request: HandoverRequest, data: HandoverDecisionCreate
) -> Sequence[Referral]:
    """Complete a handover or refuse it.

    Args:
        session: in the caller's transaction, which holds the locks of `lock_for_decision`.
        principal: the school whose pupil it is, or a commissioner who may identify pupils.
        request: locked.
        data: the decision.

    Returns:
        The referrals that changed, and the new ones.

    Raises:
        ScopeMissing: a commissioner may not identify pupils.
        StateConflict: the request is over, or the school has a successor, or there is nothing to hand over.
        Invalid: names every referral that cannot pass.
    """
    schools = await line_of(session, request.area_id, request.school_id)
    if principal.row_access is RowAccess.AREA and FieldSensitivity.IDENTITY not in principal.clearances:
        raise ScopeMissing(IDENTIFY, principal.role)
    if principal.row_access is RowAccess.SCHOOL and (request.area_id, schools[0]) not in principal.keys(
        RowAccess.SCHOOL
    ):
        raise StateConflict("The school has a successor, which alone decides about its pupils.")
    if request.status not in (RequestStatus.OPEN, RequestStatus.REFUSED) or request.lapses_at <= now():
        raise StateConflict("This request is over: it is completed, lapsed or ended.")
    if data.decision is HandoverDecision.REFUSE:
        _refuse_codes(data)
        _record(request, principal, data, RequestStatus.REFUSED)
        return ()
    still_open = await queries.open_referrals(session, request.area_id, request.pupil_id)
    passing = _passing(still_open, data.referrals)
    async with acting_for_area(session, principal, request.area_id):
        changed = await _complete(session, principal, request, still_open, passing)
        _record(request, principal, data, RequestStatus.COMPLETED)
        await queries.end_others(session, request)
    return changed


def _refuse_codes(data: HandoverDecisionCreate) -> None:
    errors = FieldErrors()
    if data.referrals is not None:
        errors.add("/referrals", "not_for_decision", "Only `complete` names referrals. Leave it out.")
    errors.raise_if_any()


def _record(
    request: HandoverRequest, principal: Principal, data: HandoverDecisionCreate, status: RequestStatus
) -> None:
    request.sqlmodel_update(data.columns())
    request.status, request.version = status, request.version + 1
    request.organisation, request.decided_at = principal.organisation, now()


def _passing(still_open: Sequence[Referral], codes: Collection[str] | None) -> list[Referral]:
    """Return the referrals with these codes, or all.

    Raises:
        Invalid: names every code that is of no open referral of the pupil.
        StateConflict: the pupil has no open referral.
    """
    by_code = {each.code: each for each in still_open}
    errors = FieldErrors()
    for at, code in enumerate(codes or ()):
        if code not in by_code:
            errors.add(f"/referrals/{at}", "not_open", "This pupil has no open referral with this code.")
    errors.raise_if_any()
    if not by_code:
        raise StateConflict("This pupil has no open referral, so there is nothing to hand over. Refuse the request.")
    return [each for code, each in by_code.items() if codes is None or code in codes]


async def _complete(
    session: AsyncSession,
    principal: Principal,
    request: HandoverRequest,
    still_open: Sequence[Referral],
    passing: Sequence[Referral],
) -> list[Referral]:
    """Continue referrals at the asking school, and end them here.

    Args:
        session, principal, request: as in `decide`.
        still_open: all open referrals of the pupil: those that collide with one that passes are released.
        passing: those that pass.

    Raises:
        StateConflict: the handover is over, a referral is, the pupil no longer agrees with the statement, or the asking
            school's statements contradict each other.
    """
    area = request.area_id
    handover = await session.get_one(Handover, (area, request.handover_id))
    if not is_asked(handover):
        raise StateConflict("This handover is over: it is completed, lapsed or withdrawn.")
    # Two schools' pupils, always in one order.
    lines = {school: (await line_of(session, area, school))[0] for school in (handover.school_id, request.school_id)}
    for school in sorted(lines, key=lambda each: lines[each]):
        await lock_pupils(session, area, school)
    await lock_all(session, Referral, {(area, each.id) for each in still_open})
    if any(each.ended_at or each.pupil_id != request.pupil_id for each in passing):
        raise StateConflict("A referral has changed meanwhile. Read the request, and decide again.")
    if not await still_agrees(await driver_connection(session), area, handover.id, request.pupil_id):
        raise StateConflict("The pupil no longer agrees with what the asking school states. The request is ending.")
    schools = await line_of(session, area, handover.school_id)
    await seal_statements(session, area, schools)
    statement = await session.get_one(HandoverStatement, (area, handover.statement_id))
    at = now()
    news = [draft_continuing(each, handover.school_id, handover.reason or WITHOUT_REASON, at) for each in passing]
    released = await end_handed_over(
        session, principal, passing, Actor.REFERRER if principal.row_access is RowAccess.SCHOOL else Actor.NOBODY
    )
    statements = [_statement_of(statement, each) for each in news]
    statements[0].id = statement.id
    try:
        others = await store_continuing(session, handover, schools, list(zip(news, statements, strict=True)))
    except Contradiction as error:
        raise StateConflict(
            "What the asking school states no longer agrees with its other statements. It must ask again."
        ) from error
    handover.status, handover.completed_at, handover.version = HandoverStatus.COMPLETED, at, handover.version + 1
    handover.referrals = [each.code for each in news]
    return [*passing, *released, *news, *others]


def _statement_of(statement: HandoverStatement, referral: Referral) -> PupilStatement:
    columns = statement.model_dump(include=OF_STATEMENT)
    return PupilStatement(
        **columns,
        referral_id=referral.id,
        provider_id=referral.provider_id,
        stated_at=referral.continued_at or referral.submitted_at,
    )


def _imagined(statement: HandoverStatement) -> tuple[Referral, PupilStatement]:
    """Return what a statement would be with a referral of the school, to be judged and never to be stored."""
    columns: dict[str, Any] = {"area_id": statement.area_id, "school_id": statement.school_id, "submitted_at": now()}
    referral = Referral(**columns)
    return referral, _statement_of(statement, referral)
