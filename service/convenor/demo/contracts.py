"""What Wendshire has agreed with its providers: services with their capacity, SLAs year by year, and their KPIs."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from convenor.commissioned_services.models import Audience, CommissionedService, Offer, ServiceCluster
from convenor.demo.cases import Load
from convenor.demo.catalogue import CLUSTERS, SERVICES, ServicePlan
from convenor.demo.directory import AREA_ID, MERGED_ON, PILOT_BEGAN, Directory
from convenor.demo.seeded_random import SeededRandom
from convenor.demo.sessions import Done
from convenor.domain_types.dates import AcademicYear
from convenor.importers.rows import Rows
from convenor.slas.models import (
    KpiDirection,
    KpiUnit,
    Sla,
    SlaCluster,
    SlaKpi,
    SlaStatus,
    SlaTerms,
    SlaTransition,
)

COMMISSIONER, COUNCIL = "commissioner-wendshire", "Wendshire Council"

KPIS = (
    ("goals_met", "Pupils whose goals were met", 80.0, KpiDirection.AT_LEAST),
    ("seen_in_12_weeks", "Pupils seen within twelve weeks", 75.0, KpiDirection.AT_LEAST),
    ("not_attended", "Sessions that were not attended", 15.0, KpiDirection.AT_MOST),
)
"""Code, name, target in percent, direction: the same for every SLA, so that services can be compared."""

_PENCE_A_SESSION = 7_800
_CAPACITY_FACTOR = {"CI-01": 2.5}
"""Places for each open referral where capacity is ample. The walkthrough refers to this service."""
_USUAL_CAPACITY_FACTOR = 1.2


@dataclass(frozen=True)
class Agreement:
    """An SLA of one school year, with the work that it expects in that year."""

    id: UUID
    plan: ServicePlan
    year: AcademicYear
    terms_number: int
    sessions: int
    pupils: int
    schools: int
    price_pence: int


def build_services(
    rows: Rows, rng: SeededRandom, directory: Directory, services: dict[str, UUID], load: dict[str, Load], as_at: date
) -> None:
    """Add the services, with a little more capacity than their work needs."""
    for plan in SERVICES:
        factor = _CAPACITY_FACTOR.get(plan.code, _USUAL_CAPACITY_FACTOR)
        rows.add(
            CommissionedService,
            area_id=AREA_ID,
            id=services[plan.code],
            code=plan.code,
            name=plan.name,
            area_of_need=plan.area_of_need,
            offer=Offer.CORE if plan.clusters == CLUSTERS else Offer.LOCAL,
            level=plan.level,
            audience=plan.audience,
            delivery_mode=plan.delivery,
            setting="Where the school agrees with the family." if plan.audience is Audience.PUPILS else None,
            eligibility="Assess, plan, do, review has been gone through at least once.",
            evidence=plan.evidence,
            valid_from=PILOT_BEGAN,
            provider_id=directory.providers[plan.provider].id,
            places=max(10, int(load[plan.code].in_work * factor) // 5 * 5 + 5),
            capacity_confirmed_on=as_at - timedelta(days=rng.randint(3, 60)),
        )
        for cluster in plan.clusters:
            bought_on = MERGED_ON if cluster == "4.5" else PILOT_BEGAN
            rows.add(
                ServiceCluster,
                area_id=AREA_ID,
                id=rng.id_at(bought_on),
                service_id=services[plan.code],
                cluster_id=directory.clusters[cluster],
                valid_from=bought_on,
            )


def build_slas(
    rows: Rows,
    rng: SeededRandom,
    directory: Directory,
    services: dict[str, UUID],
    done: dict[str, list[Done]],
    years: range,
    as_at: date,
) -> list[Agreement]:
    """Add an SLA for each service and school year, and drafts for the next year; return those that were in force.

    Args:
        rows, rng, directory, services: the demo's.
        done: the work that was done, by service, on which volumes are modelled.
        years: the school years, by the calendar year in which each starts; the last is the present one.
        as_at: the demo's day.
    """
    agreements: list[Agreement] = []
    for plan in SERVICES:
        for start in (*years, years[-1] + 1):
            year = AcademicYear(start)
            if start > years[-1] and not plan.volume >= 4:
                continue
            # The present year is not over and the next has not begun: both are modelled on the last whole one.
            model = AcademicYear(min(start, years[-1] - 1))
            basis = [session for session in done[plan.code] if session.on in model and session.attended]
            sessions = max(20, round(len(basis) * 1.05 / 10) * 10)
            status = (
                SlaStatus.DRAFT if start > years[-1] else SlaStatus.ACTIVE if start == years[-1] else SlaStatus.ENDED
            )
            steps = _steps(rng, year, status, as_at)
            agreement = Agreement(
                id=rng.id_at(steps[0][1]),
                plan=plan,
                year=year,
                terms_number=2 if _renegotiated(plan, year, as_at) else 1,
                sessions=sessions,
                pupils=max(5, round(len({session.referral_id for session in basis}) / 5) * 5),
                schools=max(1, len({session.school_id for session in basis})),
                price_pence=round(sessions * _PENCE_A_SESSION / 100_000) * 100_000,
            )
            _keep(rows, rng, directory, services[plan.code], agreement, steps)
            if status is not SlaStatus.DRAFT:
                agreements.append(agreement)
    return agreements


def _renegotiated(plan: ServicePlan, year: AcademicYear, as_at: date) -> bool:
    """Check whether the terms changed on 1 January: those of the therapy package did, every year."""
    return plan.code == "CI-01" and date(year.start + 1, 1, 1) < as_at


def _keep(
    rows: Rows,
    rng: SeededRandom,
    directory: Directory,
    service_id: UUID,
    agreement: Agreement,
    steps: list[tuple[SlaStatus, datetime]],
) -> None:
    plan, year, provider = agreement.plan, agreement.year, directory.providers[agreement.plan.provider]
    rows.add(
        Sla,
        area_id=AREA_ID,
        id=agreement.id,
        code=f"{plan.code}-{year.start}",
        starts_on=year.first_day,
        ends_on=year.last_day,
        cadence=plan.cadence,
        service_id=service_id,
        provider_id=provider.id,
        status=steps[-1][0],
        terms_version=agreement.terms_number,
        version=len(steps) + agreement.terms_number - 1,
    )
    changed_on = date(year.start + 1, 1, 1)
    for number in range(1, agreement.terms_number + 1):
        rows.add(
            SlaTerms,
            area_id=AREA_ID,
            sla_id=agreement.id,
            number=number,
            sessions=agreement.sessions,
            pupils=agreement.pupils,
            schools=agreement.schools,
            price_pence=agreement.price_pence - (agreement.terms_number - number) * 200_000,
            valid_from=year.first_day if number == 1 else changed_on,
            valid_to=changed_on if number < agreement.terms_number else None,
        )
        for kpi, name, target, direction in KPIS:
            rows.add(
                SlaKpi,
                area_id=AREA_ID,
                sla_id=agreement.id,
                number=number,
                kpi=kpi,
                name=name,
                unit=KpiUnit.PERCENT,
                target=target,
                direction=direction,
            )
    for cluster in plan.clusters:
        rows.add(SlaCluster, area_id=AREA_ID, sla_id=agreement.id, cluster_id=directory.clusters[cluster])
    left = None
    for to, at in steps:
        rows.add(
            SlaTransition,
            area_id=AREA_ID,
            id=rng.id_at(at),
            sla_id=agreement.id,
            provider_id=provider.id,
            from_status=left,
            to_status=to,
            client_id=COMMISSIONER,
            organisation=COUNCIL,
            at=at,
        )
        left = to


def _steps(rng: SeededRandom, year: AcademicYear, status: SlaStatus, as_at: date) -> list[tuple[SlaStatus, datetime]]:
    """Return the steps of an SLA: drafted in May, agreed in June, active and ended with its first and last day."""
    days = {
        SlaStatus.DRAFT: min(date(year.start, 5, 6), as_at - timedelta(days=7)),
        SlaStatus.AGREED: date(year.start, 6, 24),
        SlaStatus.ACTIVE: year.first_day,
        SlaStatus.ENDED: year.last_day + timedelta(days=1),
    }
    life = list(SlaStatus)
    return [(step, rng.time_on(days[step])) for step in life[: life.index(status) + 1]]
