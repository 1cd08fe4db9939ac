"""What Wendshire's providers have reported against their SLAs: a return for each period that is over."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from convenor.demo.contracts import COMMISSIONER, COUNCIL, KPIS, Agreement
from convenor.demo.directory import AREA_ID, Directory, ProviderEntry
from convenor.demo.seeded_random import SeededRandom, weekday
from convenor.demo.sessions import Done
from convenor.domain_types.dates import Period
from convenor.impact_returns.models import (
    CheckOutcome,
    ImpactReturn,
    ImpactReturnMeasure,
    ImpactReturnTransition,
    ReturnStatus,
)
from convenor.importers.rows import Rows
from convenor.slas.models import MONTHS_OF_A_PERIOD, KpiDirection

_FAULTS = (
    "The cost does not match the invoices.",
    "Please explain the number of schools.",
    "The narrative is missing.",
)
_NARRATIVES = (
    "Work went as agreed. Schools ask for more time with staff between sessions.",
    "Two members of staff left and were replaced; sessions were made up for by the end of the period.",
    "Referrals came late in the period; the next one will show more work.",
)


def build_returns(
    rows: Rows,
    rng: SeededRandom,
    directory: Directory,
    agreements: list[Agreement],
    done: dict[str, list[Done]],
    as_at: date,
) -> None:
    """Add the returns of every agreement: the latest of each service is submitted, the earlier ones are decided."""
    latest: dict[str, tuple[Agreement, Period]] = {}
    due = [(agreement, period) for agreement in agreements for period in _periods(agreement)]
    # A period that has only just ended has no return yet: it is due.
    due = [(agreement, period) for agreement, period in due if as_at - period.last > timedelta(days=14)]
    for agreement, period in due:
        latest[agreement.plan.code] = agreement, period
    for agreement, period in due:
        is_latest = latest[agreement.plan.code] == (agreement, period)
        status = (
            ReturnStatus.SUBMITTED
            if is_latest
            else rng.weighted(((ReturnStatus.ACCEPTED, 88), (ReturnStatus.RETURNED, 8), (ReturnStatus.VALIDATED, 4)))
        )
        work = [session for session in done[agreement.plan.code] if period.first <= session.on <= period.last]
        _keep(rows, rng, directory.providers[agreement.plan.provider], agreement, period, work, status)


def _periods(agreement: Agreement) -> Iterator[Period]:
    """Return the reporting periods of a school year, in order."""
    months = agreement.year.months
    length = MONTHS_OF_A_PERIOD[agreement.plan.cadence]
    for at in range(0, 12, length):
        after = months[at + length] if at + length < 12 else agreement.year.last_day + timedelta(days=1)
        yield Period(months[at], after - timedelta(days=1))


def _keep(
    rows: Rows,
    rng: SeededRandom,
    provider: ProviderEntry,
    agreement: Agreement,
    period: Period,
    work: list[Done],
    status: ReturnStatus,
) -> None:
    attended = [session for session in work if session.attended]
    share = MONTHS_OF_A_PERIOD[agreement.plan.cadence] / 12
    steps = _steps(rng, period, status)
    return_id = rng.id_at(steps[0][1])
    pupils = len({session.referral_id for session in attended})
    rows.add(
        ImpactReturn,
        area_id=AREA_ID,
        id=return_id,
        sla_id=agreement.id,
        provider_id=provider.id,
        terms_number=1 if period.first < date(agreement.year.start + 1, 1, 1) else agreement.terms_number,
        period_from=period.first,
        period_to=period.last,
        status=status,
        sessions=len(attended),
        pupils=pupils,
        schools=len({session.school_id for session in attended}),
        cost_pence=int(agreement.price_pence * share * rng.uniform(0.9, 1.02)) // 100 * 100,
        narrative=rng.choice(_NARRATIVES),
        checks=[_sessions_check(round(agreement.sessions * share), len(attended))],
        submitted_at=steps[0][1],
        version=len(steps),
    )
    for kpi, _, target, direction in KPIS:
        denominator = len(work) if direction is KpiDirection.AT_MOST else pupils
        achieved = min(1.0, max(0.0, rng.gauss(target / 100, 0.06)))
        missed = len(work) - len(attended)
        rows.add(
            ImpactReturnMeasure,
            area_id=AREA_ID,
            impact_return_id=return_id,
            kpi=kpi,
            provider_id=provider.id,
            numerator=missed if direction is KpiDirection.AT_MOST else int(denominator * achieved),
            denominator=denominator,
        )
    left = None
    for to, at, reason in steps:
        is_own = to is ReturnStatus.SUBMITTED
        rows.add(
            ImpactReturnTransition,
            area_id=AREA_ID,
            id=rng.id_at(at),
            impact_return_id=return_id,
            provider_id=provider.id,
            from_status=left,
            to_status=to,
            reason=reason,
            client_id=provider.client_id if is_own else COMMISSIONER,
            organisation=provider.name if is_own else COUNCIL,
            at=at,
        )
        left = to


def _sessions_check(expected: int, reported: int) -> dict[str, Any]:
    return {
        "check": "sessions_against_sla",
        "kpi": None,
        "outcome": CheckOutcome.OK if reported >= expected else CheckOutcome.WARN,
        "expected": expected,
        "reported": reported,
        "detail": f"{reported} sessions were reported where the SLA expects {expected} in such a period.",
    }


def _steps(rng: SeededRandom, period: Period, status: ReturnStatus) -> list[tuple[ReturnStatus, datetime, str | None]]:
    day = weekday(period.last + timedelta(days=rng.randint(2, 8)))
    steps: list[tuple[ReturnStatus, datetime, str | None]] = [(ReturnStatus.SUBMITTED, rng.time_on(day), None)]
    if status is ReturnStatus.SUBMITTED:
        return steps
    day = weekday(day + timedelta(days=rng.randint(2, 10)))
    if status is ReturnStatus.RETURNED:
        return [*steps, (status, rng.time_on(day), rng.choice(_FAULTS))]
    steps.append((ReturnStatus.VALIDATED, rng.time_on(day), None))
    if status is ReturnStatus.ACCEPTED:
        steps.append((status, rng.time_on(weekday(day + timedelta(days=rng.randint(2, 10)))), None))
    return steps
