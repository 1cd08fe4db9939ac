"""Compare a return with its SLA. Nothing is refused: people decide about a warning."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from convenor.domain_types.dates import AcademicYear, Period, half_up
from convenor.impact_returns.models import CheckFields, CheckOutcome, ImpactReturn, MeasureFields
from convenor.slas.models import KpiDirection, KpiUnit, SlaKpi, SlaTerms


def check_return(
    report: ImpactReturn,
    measures: Sequence[MeasureFields],
    terms: SlaTerms,
    kpis: Mapping[str, SlaKpi],
    due: Sequence[Period],
) -> list[CheckFields]:
    """Compare a return with the terms and KPIs that it is checked against, and with the periods that are due.

    Sessions, pupils and price are agreed for a year and expected pro rata: by the days of the period over those of the
    academic year in which it begins, rounded half up. Schools are not: each is served all year round.
    """
    year = AcademicYear.of(report.period_from)
    share = Decimal(_days(Period(report.period_from, report.period_to))) / _days(Period(year.first_day, year.last_day))

    def pro_rata(yearly: int) -> int:
        return int(half_up(yearly * share, 0))

    return [
        _least("sessions", pro_rata(terms.sessions), report.sessions),
        _least("pupils", pro_rata(terms.pupils), report.pupils),
        _least("schools", terms.schools, report.schools),
        _cost(pro_rata(terms.price_pence), report.cost_pence),
        *[_measure(measure, kpis[measure.kpi]) for measure in measures],
        _period(Period(report.period_from, report.period_to), due),
    ]


def _days(period: Period) -> int:
    return (period.last - period.first).days + 1


def _outcome(good: bool) -> CheckOutcome:
    return CheckOutcome.OK if good else CheckOutcome.WARN


def _least(what: str, expected: int, reported: int) -> CheckFields:
    return CheckFields(
        check=f"{what}_against_sla",
        outcome=_outcome(reported >= expected),
        expected=expected,
        reported=reported,
        detail=f"{reported} {what} reported; the SLA expects at least {expected} in this period.",
    )


def _cost(expected: int, reported: int) -> CheckFields:
    return CheckFields(
        check="cost_against_price",
        outcome=_outcome(reported <= expected),
        expected=expected,
        reported=reported,
        detail=f"{reported} pence reported; the price of this period is {expected} pence.",
    )


def _measure(measure: MeasureFields, kpi: SlaKpi) -> CheckFields:
    target, unit = Decimal(str(kpi.target)), "%" if kpi.unit == KpiUnit.PERCENT else ""
    at_least = kpi.direction == KpiDirection.AT_LEAST
    agreed = f"the target is {'at least' if at_least else 'at most'} {_plain(target)}{unit}."
    reached = _reached(measure, kpi)
    if reached is None:
        good, detail = False, f"{kpi.name}: there is no percentage of nothing; {agreed}"
    else:
        good = reached >= target if at_least else reached <= target
        detail = f"{kpi.name}: {_plain(half_up(reached, 1))}{unit} reported; {agreed}"
    return CheckFields(
        check="measure_against_target",
        kpi=kpi.kpi,
        outcome=_outcome(good),
        expected=kpi.target,
        reported=None if reached is None else float(half_up(reached, 1)),
        detail=detail,
    )


def _reached(measure: MeasureFields, kpi: SlaKpi) -> Decimal | None:
    if kpi.unit == KpiUnit.COUNT:
        return Decimal(measure.numerator)
    return 100 * Decimal(measure.numerator) / measure.denominator if measure.denominator else None


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _period(period: Period, due: Sequence[Period]) -> CheckFields:
    meant = next((one for one in due if one.first <= period.last and one.last >= period.first), None)
    if meant is None:
        detail = "No return was due that has a day of this period."
    elif meant == period:
        detail = f"The return from {meant.first} to {meant.last} was due."
    else:
        detail = f"The return that was due is from {meant.first} to {meant.last}."
    return CheckFields(
        check="period_is_due",
        outcome=_outcome(meant == period),
        expected=_days(meant) if meant else None,
        reported=_days(period),
        detail=detail,
    )
