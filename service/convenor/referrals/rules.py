"""The rules of referrals: submission, correction, and every step along the pathway."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from convenor.commissioned_services.models import CommissionedService
from convenor.commissioned_services.resource import SERVICES
from convenor.database.ids import record_code, uuid7
from convenor.database.pools import driver_connection, violates
from convenor.domain_types.dates import now, today
from convenor.pathways.models import Actor, Pathway
from convenor.pathways.rules import current_pathway, state_of, steps_from
from convenor.problems import FieldErrors, IllegalTransition, Member, Problem, StateConflict
from convenor.pupils.models import Pupil, PupilIdentity
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import Lock, lock
from convenor.referrals import queries
from convenor.referrals.models import Referral, ReferralTransition
from convenor.referrals.schemas import (
    PupilCreate,
    PupilSubjectCreate,
    ReferralCreate,
    ReferralUpdate,
    TransitionCreate,
)
from convenor.schools.models import School
from convenor.schools.resource import SCHOOLS
from convenor.security.principal import Principal, RowAccess

EDITABLE_STATES = ("submitted", "returned")
"""The states in which the referrer may still correct a referral."""


class AlreadyOpen(Problem):
    """This pupil already has an open referral to this service."""

    status, code, title = 409, "referral_already_open", "Referral already open"
    cause = "A pupil has at most one open referral to a service. `referral` names it if it is your own school's."
    remedy = "Follow the open referral instead. If it is yours, you can withdraw it."
    carries = (Member("referral", str, "the open referral's code, if it is your own school's."),)

    def __init__(self, area_id: UUID, pupil_id: UUID, own: str | None) -> None:
        self.area_id, self.pupil_id = area_id, pupil_id
        detail = f"This pupil already has an open referral to this service: {own}." if own else None
        super().__init__(detail, extra={"referral": own} if own else None)


async def submit_referral(session: AsyncSession, principal: Principal, data: ReferralCreate) -> Referral:
    """Refer a pupil, a group or a school to a service that the school's cluster buys.

    The referral keeps the cluster that the school is in today, and the version of the pathway that is current.

    Raises:
        Invalid: names every reference that is wrong.
        AlreadyOpen: the pupil has an open referral to this service, from any school.
    """
    referral = await _draft(session, principal, data)
    if isinstance(data.subject, PupilSubjectCreate):
        referral.pupil_id = await _link_pupil(session, referral.area_id, data.subject.pupil)
    await _insert(session, referral)
    if isinstance(data.subject, PupilSubjectCreate):
        assert referral.pupil_id
        session.add(
            PupilIdentity(
                area_id=referral.area_id,
                referral_id=referral.id,
                pupil_id=referral.pupil_id,
                school_id=referral.school_id,
                provider_id=referral.provider_id,
                **data.subject.pupil.columns(),
            )
        )
    record_step(session, principal, referral, None, Actor.REFERRER)
    return referral


async def update_referral(
    session: AsyncSession, principal: Principal, referral: Referral, data: ReferralUpdate
) -> Referral:
    """Update a referral until the service accepts it.

    Raises:
        StateConflict: the service has accepted, or the caller is not the referrer.
        Invalid: the body corrects a pupil, and the referral is about none.
    """
    if principal.row_access is not RowAccess.SCHOOL:
        raise StateConflict("Only the school that made a referral can correct it. Return it with a reason instead.")
    if referral.status not in EDITABLE_STATES:
        raise StateConflict(
            f"This referral is {referral.status}. Only {' and '.join(EDITABLE_STATES)} referrals can be corrected."
        )
    if data.pupil and referral.subject_kind != "pupil":
        errors = FieldErrors()
        errors.add("/pupil", "not_about_a_pupil", "This referral is not about one pupil.")
        errors.raise_if_any()
    referral.sqlmodel_update(data.columns())
    if data.pupil:
        identity = await session.get_one(PupilIdentity, (referral.area_id, referral.id))
        identity.sqlmodel_update(data.pupil.columns())
    referral.version += 1
    return referral


async def transition_referral(
    session: AsyncSession, principal: Principal, referral: Referral, data: TransitionCreate
) -> Referral:
    """Make one step along the version of the pathway that the referral follows.

    Raises:
        IllegalTransition: names the steps that this caller may make now.
        Invalid: a field that the step requires is missing.
    """
    pathway = await session.get_one(Pathway, (referral.pathway, referral.pathway_version))
    actor = Actor.REFERRER if principal.row_access is RowAccess.SCHOOL else Actor.SERVICE
    steps = steps_from(pathway, referral.status, actor)
    step = next((step for step in steps if step.to == data.to), None)
    if step is None:
        raise IllegalTransition(referral.status, data.to, [step.to for step in steps])
    errors = FieldErrors()
    for name in step.requires:
        if not getattr(data, name):
            errors.add(f"/{name}", "required", f"The step to {data.to} requires `{name}`.")
    errors.raise_if_any()
    move(session, principal, referral, pathway, data.to, actor, data)
    return referral


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
    if referral.returned_at:
        referral.returned_seconds += int((at - referral.returned_at).total_seconds())
    referral.returned_at = at if to == "returned" else None
    referral.status, referral.version = to, referral.version + 1
    if not state_of(pathway, to)["open"]:
        referral.ended_at = at
    record_step(session, principal, referral, from_status, actor, data)


def record_step(
    session: AsyncSession,
    principal: Principal,
    referral: Referral,
    from_status: str | None,
    actor: Actor,
    data: TransitionCreate | None = None,
) -> None:
    """Record who made a step, when and why."""
    step = ReferralTransition(
        area_id=referral.area_id,
        referral_id=referral.id,
        school_id=referral.school_id,
        provider_id=referral.provider_id,
        from_status=from_status,
        to_status=referral.status,
        by=actor,
        client_id=principal.client_id,
        organisation=principal.organisation,
        at=now(),
        **(data.columns() if data else {}),
    )
    session.add(step)


async def _draft(session: AsyncSession, principal: Principal, data: ReferralCreate) -> Referral:
    """Make the row of a new referral, without its pupil. Lock its school and its service.

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
    cluster = None
    if school:
        # Locked, so that the school stays in the cluster read here until the referral is stored.
        await lock(session, School, school, Lock.KEEP)
        cluster = await queries.cluster_of(session, *school)
    if school and service and not (cluster and await queries.buys(session, school[0], cluster, service[1])):
        errors.add("/service_id", "not_bought", "The school's cluster does not buy this service: see GET /v1/services.")
    errors.raise_if_any()
    assert pathway
    assert school
    assert service
    assert provider
    return Referral(
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


async def _provider(session: AsyncSession, service: tuple[UUID, UUID], errors: FieldErrors) -> UUID | None:
    # Shared: other referrals may name the same provider at the same time, but nobody may change it.
    found = await lock(session, CommissionedService, service, Lock.KEEP)
    day = today()
    if found.provider_id is None:
        errors.add("/service_id", "no_provider", "This service has no provider yet, so nobody could answer.")
    if (found.valid_from and found.valid_from > day) or (found.valid_to and found.valid_to <= day):
        errors.add("/service_id", "not_offered", "This service is not offered today.")
    return found.provider_id


async def _link_pupil(session: AsyncSession, area: UUID, pupil: PupilCreate) -> UUID:
    await queries.lock_identity(session, area, pupil.upn, pupil.nhs_number)
    known = await queries.match_pupil(session, area, pupil.upn, pupil.nhs_number, pupil.date_of_birth)
    if known:
        return known
    link = Pupil(area_id=area, id=uuid7())
    session.add(link)
    await session.flush()
    return link.id


async def _insert(session: AsyncSession, referral: Referral) -> None:
    try:
        async with session.begin_nested():
            session.add(referral)
    except IntegrityError as error:
        if not violates(error, "one_open_referral"):
            raise
        assert referral.pupil_id
        own = await queries.open_referral(session, referral.area_id, referral.service_id, referral.pupil_id)
        raise AlreadyOpen(referral.area_id, referral.pupil_id, own) from error
