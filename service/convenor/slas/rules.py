"""The rules of SLAs: drafting, new versions of the terms, and every step of the life of an SLA."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.clusters.resource import CLUSTERS
from convenor.commissioned_services.models import CommissionedService
from convenor.commissioned_services.resource import SERVICES
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import now, today
from convenor.problems import FieldErrors, IllegalTransition, StateConflict
from convenor.providers.resource import PROVIDERS
from convenor.read_model.execute import resolve_reference, resolve_references
from convenor.read_model.locking import Lock, lock, lock_all, resolve
from convenor.security.principal import Principal
from convenor.slas import queries
from convenor.slas.models import Sla, SlaCluster, SlaKpi, SlaStatus, SlaTerms, SlaTransition
from convenor.slas.resource import SLAS, STEPS
from convenor.slas.schemas import KpiCreate, SlaCreate, SlaTransitionCreate, SlaUpdate, TermsCreate

VERSIONED = {"terms", "kpis", "valid_from"}
"""The fields that may still change once an SLA is agreed, as a new version from a date."""


async def create_sla(session: AsyncSession, principal: Principal, data: SlaCreate) -> Sla:
    """Create an SLA as a draft. Its first version holds from the first day of the term.

    Raises:
        Invalid: names every reference that is wrong.
    """
    errors = FieldErrors()
    service = await _service(session, principal, data.service_id, None, errors)
    await _check_provider(session, principal, service, data.provider_id, errors)
    clusters = await _clusters(session, principal, data.clusters, service.area_id if service else None, errors)
    errors.raise_if_any()
    assert service
    sla = Sla(
        area_id=service.area_id,
        service_id=service.id,
        **data.columns(),
    )
    session.add(sla)
    await session.flush()
    for cluster in clusters:
        session.add(SlaCluster(area_id=sla.area_id, sla_id=sla.id, cluster_id=cluster))
    _add_version(session, sla, _Version(1, sla.starts_on, data.terms, data.kpis))
    _record_step(session, principal, sla, None)
    return sla


async def load_sla(session: AsyncSession, principal: Principal, key: str, data: SlaUpdate) -> Sla:
    """Load an SLA by its id or code, locked after its service and the one that `data` names.

    Raises:
        NotFound: there is none, or it is outside the caller's area.
    """
    found = await resolve(session, principal, SLAS, key)
    sla = await session.get_one(Sla, found)
    named = {(sla.area_id, sla.service_id)}
    if data.service_id:
        connection = await driver_connection(session)
        other = await resolve_reference(connection, principal, SERVICES, data.service_id, sla.area_id)
        named |= {other} if other else set()
    await lock_all(session, CommissionedService, named, Lock.KEEP)
    return await lock(session, Sla, found, Lock.REKEY)


async def update_sla(session: AsyncSession, principal: Principal, sla: Sla, data: SlaUpdate) -> None:
    """Update a draft, or agree new terms or KPIs of an agreed or active SLA from a date. Earlier versions stay.

    Raises:
        StateConflict: the SLA has ended, or a field can no longer change.
        Invalid: names every reference that is wrong.
    """
    if sla.status == SlaStatus.ENDED:
        raise StateConflict("This SLA has ended and can no longer change.")
    if sla.status == SlaStatus.DRAFT:
        await _edit_draft(session, principal, sla, data)
    else:
        await _agree_new_version(session, sla, data)
    sla.version += 1


async def transition_sla(session: AsyncSession, principal: Principal, sla: Sla, data: SlaTransitionCreate) -> None:
    """Make one step. If an SLA ends before the last day of its term, today becomes the last day.

    Raises:
        IllegalTransition: names the steps that are legal now.
    """
    legal = STEPS[SlaStatus(sla.status)]
    if data.to not in legal:
        raise IllegalTransition(sla.status, data.to, list(legal))
    from_status, sla.status = sla.status, data.to.value
    if data.to is SlaStatus.ENDED:
        sla.ends_on = max(sla.starts_on, min(sla.ends_on, today()))
    sla.version += 1
    _record_step(session, principal, sla, from_status, data)


@dataclass(frozen=True)
class _Version:
    """One version of the terms and KPIs."""

    number: int
    valid_from: date
    terms: TermsCreate
    kpis: Sequence[KpiCreate]


async def _edit_draft(session: AsyncSession, principal: Principal, sla: Sla, data: SlaUpdate) -> None:
    errors = FieldErrors()
    if data.valid_from:
        errors.add("/valid_from", "not_agreed_yet", "A draft has one version, which holds from `starts_on`.")
    starts_on, ends_on = data.starts_on or sla.starts_on, data.ends_on or sla.ends_on
    if ends_on < starts_on:
        pointer = "/ends_on" if data.ends_on else "/starts_on"
        errors.add(pointer, "before_start", "The last day of the term lies before its first.")
    provider_id = data.provider_id or sla.provider_id
    service = await _service(session, principal, data.service_id or str(sla.service_id), sla.area_id, errors)
    await _check_provider(session, principal, service, provider_id, errors)
    clusters = await _clusters(session, principal, data.clusters or (), sla.area_id, errors)
    errors.raise_if_any()
    assert service
    terms = await session.get_one(SlaTerms, (sla.area_id, sla.id, 1))
    sla.sqlmodel_update(data.columns(), update={"service_id": service.id})
    if data.terms:
        terms.sqlmodel_update(data.terms.columns())
    terms.valid_from = sla.starts_on
    if data.clusters:
        await _name_clusters(session, sla, clusters)
    if data.kpis:
        for kpi in (await queries.kpis_of(session, sla.area_id, sla.id, 1)).values():
            kpi.withdrawn = True
        for stated in data.kpis:
            await session.merge(_kpi(sla, 1, stated))


async def _name_clusters(session: AsyncSession, sla: Sla, clusters: Sequence[UUID]) -> None:
    known = {row.cluster_id: row for row in await queries.clusters_of(session, sla)}
    for row in known.values():
        row.withdrawn = row.cluster_id not in clusters
    for cluster in clusters:
        if cluster not in known:
            session.add(SlaCluster(area_id=sla.area_id, sla_id=sla.id, cluster_id=cluster))


async def _agree_new_version(session: AsyncSession, sla: Sla, data: SlaUpdate) -> None:
    if fixed := sorted(data.model_fields_set - VERSIONED):
        raise StateConflict(
            f"Once an SLA is agreed, only terms and kpis can change, from a date; not {', '.join(fixed)}."
        )
    latest = await session.get_one(SlaTerms, (sla.area_id, sla.id, sla.terms_version))
    errors = FieldErrors()
    if data.valid_from is None:
        errors.add("/valid_from", "required", "Name the first day of the new terms.")
    elif not latest.valid_from < data.valid_from <= sla.ends_on:
        detail = f"The new version must begin after {latest.valid_from}, when the latest began, and by {sla.ends_on}."
        errors.add("/valid_from", "not_after_latest", detail)
    if not (data.terms or data.kpis):
        errors.add("/terms", "required", "Send the terms or the KPIs that hold from that day.")
    errors.raise_if_any()
    assert data.valid_from
    terms = data.terms or TermsCreate.model_validate(latest.model_dump(include=set(TermsCreate.model_fields)))
    kpis = data.kpis or [
        KpiCreate.model_validate(kpi.model_dump(include=set(KpiCreate.model_fields)))
        for kpi in (await queries.kpis_of(session, sla.area_id, sla.id, latest.number)).values()
    ]
    latest.valid_to = data.valid_from
    sla.terms_version = latest.number + 1
    _add_version(session, sla, _Version(sla.terms_version, data.valid_from, terms, kpis))


async def _service(
    session: AsyncSession, principal: Principal, key: str, area: UUID | None, errors: FieldErrors
) -> CommissionedService | None:
    found = await resolve_reference(await driver_connection(session), principal, SERVICES, key, area)
    if found is None:
        errors.unknown("/service_id", "service")
        return None
    # Locked, so that its provider does not change before the SLA is stored.
    return await lock(session, CommissionedService, found, Lock.KEEP)


async def _check_provider(
    session: AsyncSession,
    principal: Principal,
    service: CommissionedService | None,
    provider: UUID,
    errors: FieldErrors,
) -> None:
    if await resolve_reference(await driver_connection(session), principal, PROVIDERS, str(provider)) is None:
        errors.unknown("/provider_id", "provider")
    elif service and service.provider_id != provider:
        errors.add(
            "/provider_id", "not_its_provider", "This provider does not provide that service. See GET /v1/services."
        )


async def _clusters(
    session: AsyncSession, principal: Principal, keys: Sequence[str], area: UUID | None, errors: FieldErrors
) -> list[UUID]:
    clusters = list[UUID]()
    resolved = await resolve_references(await driver_connection(session), principal, CLUSTERS, keys, area)
    for at, found in enumerate(resolved):
        if found is None:
            errors.unknown(f"/clusters/{at}", "cluster")
        elif found[1] in clusters:
            errors.add(f"/clusters/{at}", "repeated", "This cluster appears more than once.")
        else:
            clusters.append(found[1])
    return clusters


def _add_version(session: AsyncSession, sla: Sla, version: _Version) -> None:
    terms = version.terms.columns()
    session.add(
        SlaTerms(area_id=sla.area_id, sla_id=sla.id, number=version.number, valid_from=version.valid_from, **terms)
    )
    session.add_all([_kpi(sla, version.number, kpi) for kpi in version.kpis])


def _kpi(sla: Sla, number: int, kpi: KpiCreate) -> SlaKpi:
    return SlaKpi(area_id=sla.area_id, sla_id=sla.id, number=number, withdrawn=False, **kpi.columns())


def _record_step(
    session: AsyncSession,
    principal: Principal,
    sla: Sla,
    from_status: str | None,
    data: SlaTransitionCreate | None = None,
) -> None:
    session.add(
        SlaTransition(
            area_id=sla.area_id,
            sla_id=sla.id,
            provider_id=sla.provider_id,
            from_status=from_status,
            to_status=sla.status,
            client_id=principal.client_id,
            organisation=principal.organisation,
            at=now(),
            **(data.columns() if data else {}),
        )
    )
