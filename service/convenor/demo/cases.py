"""Invent Wendshire's referrals, with their transitions, contacts and outcomes, for about three school years."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from convenor.commissioned_services.models import Audience
from convenor.demo.catalogue import NEEDS, REASONS, SERVICES, ServicePlan
from convenor.demo.courses import Course, play
from convenor.demo.directory import AREA_ID, Directory, ProviderEntry, SchoolEntry
from convenor.demo.moves import MOVED_DAYS_AGO, MOVES, ask_for
from convenor.demo.pupils import PupilEntry, Pupils
from convenor.demo.seeded_random import SeededRandom, school_day
from convenor.demo.sessions import Sessions
from convenor.domain_types.codes import Phase
from convenor.domain_types.dates import AcademicYear, start_of
from convenor.importers.rows import Rows
from convenor.pathways.models import Actor
from convenor.referrals.models import ConsentBasis, ConsentGiver, Priority, Referral, ReferralTransition, SubjectKind

REFERRALS = 5850
"""How many are played through; a few more are added that wait, so that waits can be shown."""

_BY_MONTH = {9: 7, 10: 13, 11: 14, 12: 8, 1: 12, 2: 10, 3: 13, 4: 7, 5: 10, 6: 10, 7: 6, 8: 1}
"""How many referrals a school day of each month gets, relative to the others; in August, a day of its last weeks."""
_PRIORITIES = ((Priority.ROUTINE, 80), (Priority.SOON, 15), (Priority.URGENT, 5))
_SHOWN, _HIDDEN = range(6, 12), range(2, 5)
"""How many wait for each service that cluster 2 buys, from its own schools; and for one whose wait is suppressed."""
_QUIET_DAYS = 150
"""For how long before the demo's day a small service was sent nothing but those who wait: longer than any wait."""
_WAITED = range(16, 111)
"""How many days those have waited who are added."""
_KNOWN_TWICE = 24
"""How many times a second school may refer a child whom the service knows already; every fourth time with a slip."""


def _late_in_august(day: date) -> bool:
    return day.month == 8 and day.day > 20 and day.weekday() < 5


@dataclass
class Load:
    """What a service has done and has to do."""

    in_work: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    """By cluster."""


class Cases:
    """The referrals of the demo, and the load that they put on each service."""

    def __init__(
        self, rows: Rows, rng: SeededRandom, directory: Directory, services: dict[str, UUID], as_at: date
    ) -> None:
        self._rows, self._rng, self._directory, self._services, self._as_at = rows, rng, directory, services, as_at
        self._pupils = Pupils(rows, rng, directory.schools)
        self._senders = {plan.code: _senders(plan, directory.schools) for plan in SERVICES}
        self.sessions = Sessions(rows, rng)
        self.load = {plan.code: Load() for plan in SERVICES}

    def play_all(self, first_year: AcademicYear) -> None:
        """Play every referral since the first day of a school year."""
        rng = self._rng
        days = [first_year.first_day + timedelta(days=n) for n in range((self._as_at - first_year.first_day).days)]
        open_days = [day for day in days if school_day(day) == day or _late_in_august(day)]
        sent = sorted(rng.choices(open_days, [_BY_MONTH[day.month] for day in open_days], k=REFERRALS))
        weights = [(plan, plan.volume) for plan in SERVICES]
        quiet = self._as_at - timedelta(days=_QUIET_DAYS)
        for day in sent:
            plan = rng.weighted(weights)
            while plan.small and day >= quiet:
                plan = rng.weighted(weights)
            self._refer(plan, rng.weighted(self._senders[plan.code]), day, keeps_waiting=False)
        for plan in SERVICES:
            self._top_up(plan, [day for day in open_days if (self._as_at - day).days in _WAITED])
        self._refer_again([day for day in open_days if (self._as_at - day).days in _WAITED])
        self._ask_for_moved()
        self._pupils.add_all()

    def _top_up(self, plan: ServicePlan, days: list[date]) -> None:
        """Add referrals so that some waits are shown, and others are small enough to be suppressed."""
        rng = self._rng
        cluster = "2" if "2" in plan.clusters else plan.clusters[0]
        wanted = rng.choice(_SHOWN if "2" in plan.clusters else _HIDDEN if plan.small else range(5, 9))
        senders = [(school, weight) for school, weight in self._senders[plan.code] if school.cluster == cluster]
        for _ in range(wanted - self.load[plan.code].waiting[cluster]):
            self._refer(plan, rng.weighted(senders), rng.choice(days), keeps_waiting=True)

    def _refer_again(self, days: list[date]) -> None:
        """Let second schools refer children whom a service knows from others, as when a pupil has moved."""
        rng = self._rng
        plans = [(plan, plan.volume) for plan in SERVICES if plan.audience is Audience.PUPILS and not plan.small]
        for at in range(_KNOWN_TWICE):
            plan, day = rng.weighted(plans), rng.choice(days)
            school = rng.weighted(self._senders[plan.code])
            if pupil := self._pupils.choose_elsewhere(school, plan, day, slip=at % 4 == 0):
                self._refer(plan, school, day, keeps_waiting=True, pupil=pupil)

    def _ask_for_moved(self) -> None:
        """Let schools ask for pupils who came to them, and whom another school has referred."""
        rng = self._rng
        plans = [(plan, plan.volume) for plan in SERVICES if plan.audience is Audience.PUPILS]
        for _ in range(MOVES):
            plan, day = rng.weighted(plans), self._as_at - timedelta(days=rng.choice(MOVED_DAYS_AGO))
            school = rng.weighted(self._senders[plan.code])
            if pupil := self._pupils.choose_elsewhere(school, plan, day, slip=False):
                ask_for(self._rows, rng, pupil, school, day)

    def _refer(
        self,
        plan: ServicePlan,
        school: SchoolEntry,
        day: date,
        *,
        keeps_waiting: bool,
        pupil: PupilEntry | None = None,
    ) -> None:
        rng = self._rng
        provider = self._directory.providers[plan.provider]
        course = play(rng, day, self._as_at, keeps_waiting=keeps_waiting)
        submitted_at = course.steps[0].at
        referral_id = rng.id_at(submitted_at)
        pupil, subject, size = self._about(pupil, day) if pupil else self._subject(plan, school, day)
        self._rows.add(
            Referral,
            area_id=AREA_ID,
            id=referral_id,
            code=rng.code("R"),
            pathway="service",
            pathway_version=1,
            service_id=self._services[plan.code],
            provider_id=provider.id,
            school_id=school.id,
            cluster_id=self._directory.clusters[school.cluster],
            need=rng.weighted(NEEDS[plan.area_of_need]),
            priority=rng.weighted(_PRIORITIES),
            reason=rng.choice(REASONS[plan.area_of_need]),
            status=course.status,
            submitted_at=submitted_at,
            started_at=start_of(course.started_on) if course.started_on else None,
            ended_at=course.ended_at,
            returned_at=course.returned_at,
            returned_seconds=course.returned_seconds,
            version=len(course.steps),
            **subject,
        )
        if pupil:
            self._pupils.add_history(pupil, plan, course.ended_at.date() if course.ended_at else None)
            self._pupils.state(pupil, subject["statement_id"], referral_id, provider.id, submitted_at)
        self._keep_steps(course, referral_id, school, provider)
        self.sessions.add(plan, provider, school.id, referral_id, size, course)
        load = self.load[plan.code]
        if course.ended_at is None and course.started_on is None:
            load.waiting[school.cluster] += 1
        elif course.ended_at is None:
            load.in_work += 1

    def _subject(
        self, plan: ServicePlan, school: SchoolEntry, day: date
    ) -> tuple[PupilEntry | None, dict[str, Any], int]:
        """Return the pupil that a referral is about, if any, its columns, and how many attend a session."""
        rng = self._rng
        if plan.audience in (Audience.STAFF, Audience.SCHOOLS):
            return None, {"subject_kind": SubjectKind.SCHOOL}, rng.randint(6, 30)
        if plan.audience is Audience.PUPILS and rng.chance(0.08):
            size = rng.randint(3, 9)
            group = {
                "subject_kind": SubjectKind.GROUP,
                "group_size": size,
                "group_year_groups": _year_groups(school),
                "group_description": "Pupils who asked to work on it together.",
            }
            return None, group, size
        return self._about(self._pupils.choose(school, plan, day), day)

    def _about(self, pupil: PupilEntry, day: date) -> tuple[PupilEntry, dict[str, Any], int]:
        """Return a pupil as the subject of a referral, as in `_subject`."""
        rng = self._rng
        basis = rng.weighted(((ConsentBasis.CONSENT, 88), (ConsentBasis.INFORMED, 10), (ConsentBasis.SAFEGUARDING, 2)))
        about = {
            "subject_kind": SubjectKind.PUPIL,
            "pupil_id": pupil.id,
            "statement_id": rng.id_at(day),
            "consent_basis": basis,
            "consent_given_by": ConsentGiver.PARENT_OR_CARER if basis is ConsentBasis.CONSENT else None,
            "consent_on": day - timedelta(days=rng.randint(0, 20)),
        }
        return pupil, about, 1

    def _keep_steps(self, course: Course, referral_id: UUID, school: SchoolEntry, provider: ProviderEntry) -> None:
        left = None
        for step in course.steps:
            by_school = step.by is Actor.REFERRER
            self._rows.add(
                ReferralTransition,
                area_id=AREA_ID,
                id=self._rng.id_at(step.at),
                referral_id=referral_id,
                school_id=school.id,
                provider_id=provider.id,
                from_status=left,
                to_status=step.to,
                by=step.by,
                reason=step.reason,
                outcome=step.outcome,
                client_id=f"mis-{school.urn}" if by_school else provider.client_id,
                organisation=school.name if by_school else provider.name,
                at=step.at,
            )
            left = step.to


def _senders(plan: ServicePlan, schools: tuple[SchoolEntry, ...]) -> list[tuple[SchoolEntry, float]]:
    return [(school, school.weight) for school in schools if school.cluster in plan.clusters]


def _year_groups(school: SchoolEntry) -> list[str]:
    if school.phase is Phase.NURSERY:
        return ["N"]
    return ["5", "6"] if school.phase is Phase.PRIMARY else ["7", "8"]
