"""The rules of impact returns: submission, correction, and the commissioner's answer."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.database.pools import driver_connection
from convenor.domain_types.dates import Period, now
from convenor.impact_returns import queries
from convenor.impact_returns.checks import check_return
from convenor.impact_returns.models import (
    ImpactReturn,
    ImpactReturnMeasure,
    ImpactReturnTransition,
    MeasureFields,
    ReturnStatus,
)
from convenor.impact_returns.resource import IMPACT_RETURNS, STEPS, Actor
from convenor.impact_returns.schemas import (
    ImpactReturnCreate,
    ImpactReturnUpdate,
    MeasureCreate,
    ReturnTransitionCreate,
)
from convenor.problems import FieldErrors, IllegalTransition, StateConflict
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import lock, resolve
from convenor.security.principal import Principal, RowAccess
from convenor.slas.models import Sla, SlaKpi, SlaStatus, SlaTerms
from convenor.slas.queries import kpis_of, returns_due, terms_on
from convenor.slas.resource import SLAS


async def submit_return(session: AsyncSession, principal: Principal, data: ImpactReturnCreate) -> ImpactReturn:
    """Submit a provider's return for a period of its SLA, and check it against the SLA.

    The terms are those that hold on the period's first day. The SLA is locked, so that only one of two returns for the
    same period is stored.

    Raises:
        Invalid: names every reference that is wrong.
    """
    errors = FieldErrors()
    found = await resolve_reference(await driver_connection(session), principal, SLAS, data.sla_id)
    if found is None or principal.row_access is not RowAccess.PROVIDER:
        errors.unknown("/sla_id", "SLA")
        errors.raise_if_any()
    assert found
    sla = await lock(session, Sla, found)
    period = Period(data.period.first, data.period.last)
    if sla.status not in (SlaStatus.ACTIVE, SlaStatus.ENDED):
        errors.add("/sla_id", "not_active", f"This SLA is {sla.status}. Send returns once it is active.")
    if not sla.starts_on <= period.first <= period.last <= sla.ends_on:
        detail = f"The period lies outside the SLA's term, {sla.starts_on} to {sla.ends_on}."
        errors.add("/period", "outside_term", detail)
    for other in await queries.overlapping_returns(session, sla, period):
        errors.add("/period", "overlaps", f"The period overlaps {_named(other)}.")
    terms = await terms_on(session, sla, period.first)
    _check_measures(data.measures, await kpis_of(session, sla.area_id, sla.id, terms.number), errors)
    errors.raise_if_any()
    report = ImpactReturn(
        area_id=sla.area_id,
        sla_id=sla.id,
        provider_id=sla.provider_id,
        terms_number=terms.number,
        status=ReturnStatus.SUBMITTED.value,
        checks=[],
        submitted_at=now(),
        **data.columns(),
    )
    # Checked before it is stored: afterwards no return is due for its period.
    await _check(session, sla, report, data.measures)
    session.add(report)
    await session.flush()
    for measure in data.measures:
        session.add(_measure(report, measure))
    _record_step(session, principal, report, None)
    return report


async def load_return(session: AsyncSession, principal: Principal, key: str) -> ImpactReturn:
    """Load the return of an id, locked with its SLA until the transaction ends.

    Raises:
        NotFound: there is none, or it is not the caller's.
    """
    found = await resolve(session, principal, IMPACT_RETURNS, key)
    report = await session.get_one(ImpactReturn, found)
    await lock(session, Sla, (report.area_id, report.sla_id))
    return await lock(session, ImpactReturn, found)


async def update_return(
    session: AsyncSession, principal: Principal, report: ImpactReturn, data: ImpactReturnUpdate
) -> None:
    """Update a return that was sent back, and check it again.

    Raises:
        StateConflict: the return was not sent back, or the caller is not its provider.
        Invalid: the measures are not those of the SLA.
    """
    if principal.row_access is not RowAccess.PROVIDER:
        raise StateConflict("Only the provider that sent a return can correct it. Send it back with a reason instead.")
    if report.status != ReturnStatus.RETURNED:
        raise StateConflict(f"This return is {report.status}. Only a return that was sent back can be corrected.")
    if data.measures is not None:
        errors = FieldErrors()
        kpis = await kpis_of(session, report.area_id, report.sla_id, report.terms_number)
        _check_measures(data.measures, kpis, errors)
        errors.raise_if_any()
        for measure in data.measures:
            await session.merge(_measure(report, measure))
    report.sqlmodel_update(data.columns())
    await session.flush()
    await _check(session, await _sla_of(session, report), report, await queries.measures_of(session, report))
    report.version += 1


async def transition_return(
    session: AsyncSession, principal: Principal, report: ImpactReturn, data: ReturnTransitionCreate
) -> None:
    """Validate, accept or send back a return, or submit it again.

    Raises:
        IllegalTransition: names the steps that this caller may make now.
        Invalid: the return is sent back without a reason.
        StateConflict: another return for the period was submitted meanwhile.
    """
    actor = Actor.PROVIDER if principal.row_access is RowAccess.PROVIDER else Actor.COMMISSIONER
    legal = STEPS[ReturnStatus(report.status)].get(actor, ())
    if data.to not in legal:
        raise IllegalTransition(report.status, data.to, list(legal))
    if data.to is ReturnStatus.RETURNED and data.reason is None:
        errors = FieldErrors()
        errors.add("/reason", "required", "State what is missing or wrong when you send a return back.")
        errors.raise_if_any()
    if data.to is ReturnStatus.SUBMITTED:
        await _submit_again(session, report)
    from_status, report.status = report.status, data.to.value
    report.version += 1
    _record_step(session, principal, report, from_status, data)


async def _submit_again(session: AsyncSession, report: ImpactReturn) -> None:
    sla = await _sla_of(session, report)
    others = await queries.overlapping_returns(session, sla, Period(report.period_from, report.period_to))
    if others:
        raise StateConflict(f"The period overlaps {_named(others[0])}, which was submitted meanwhile.")
    await _check(session, sla, report, await queries.measures_of(session, report))


async def _sla_of(session: AsyncSession, report: ImpactReturn) -> Sla:
    return await session.get_one(Sla, (report.area_id, report.sla_id))


async def _check(session: AsyncSession, sla: Sla, report: ImpactReturn, measures: Sequence[MeasureFields]) -> None:
    terms = await session.get_one(SlaTerms, (sla.area_id, sla.id, report.terms_number))
    kpis = await kpis_of(session, sla.area_id, sla.id, report.terms_number)
    found = check_return(report, measures, terms, kpis, await returns_due(session, sla))
    report.checks = [check.model_dump(mode="json") for check in found]


def _check_measures(measures: Sequence[MeasureFields], kpis: Mapping[str, SlaKpi], errors: FieldErrors) -> None:
    for at, measure in enumerate(measures):
        if measure.kpi not in kpis:
            listed = ", ".join(kpis)
            errors.add(f"/measures/{at}/kpi", "not_in_sla", f"The SLA has no such KPI. It has: {listed}.")
    reported = {measure.kpi for measure in measures}
    for kpi in kpis:
        if kpi not in reported:
            errors.add("/measures", "kpi_not_reported", f"The SLA's KPI {kpi} is not reported.")


def _measure(report: ImpactReturn, measure: MeasureCreate) -> ImpactReturnMeasure:
    return ImpactReturnMeasure(
        area_id=report.area_id,
        impact_return_id=report.id,
        provider_id=report.provider_id,
        **measure.columns(),
    )


def _named(report: ImpactReturn) -> str:
    return f"the {report.status} return {report.id}, from {report.period_from} to {report.period_to}"


def _record_step(
    session: AsyncSession,
    principal: Principal,
    report: ImpactReturn,
    from_status: str | None,
    data: ReturnTransitionCreate | None = None,
) -> None:
    session.add(
        ImpactReturnTransition(
            area_id=report.area_id,
            impact_return_id=report.id,
            provider_id=report.provider_id,
            from_status=from_status,
            to_status=report.status,
            client_id=principal.client_id,
            organisation=principal.organisation,
            at=now(),
            **(data.columns() if data else {}),
        )
    )
