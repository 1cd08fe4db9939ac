"""The contacts and outcomes of a referral that was worked on, and how much work that was."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from convenor.commissioned_services.models import DeliveryMode
from convenor.contacts.models import Attendance, Contact, ContactMode, ContactSetting
from convenor.demo.catalogue import SERVICES, ServicePlan
from convenor.demo.courses import Course
from convenor.demo.directory import AREA_ID, ProviderEntry
from convenor.demo.seeded_random import SeededRandom
from convenor.importers.rows import Rows
from convenor.outcomes.models import Instrument, Outcome, OutcomeDomain

_WHERE = {
    DeliveryMode.IN_SCHOOL: (
        ((ContactMode.FACE_TO_FACE, ContactSetting.SCHOOL), 88),
        ((ContactMode.FACE_TO_FACE, ContactSetting.CLINIC), 7),
        ((ContactMode.VIDEO, ContactSetting.REMOTE), 5),
    ),
    DeliveryMode.CLUSTER_WIDE: (
        ((ContactMode.FACE_TO_FACE, ContactSetting.COMMUNITY), 60),
        ((ContactMode.FACE_TO_FACE, ContactSetting.SCHOOL), 40),
    ),
    DeliveryMode.REMOTE: (
        ((ContactMode.VIDEO, ContactSetting.REMOTE), 85),
        ((ContactMode.FACE_TO_FACE, ContactSetting.CLINIC), 15),
    ),
    DeliveryMode.TELEPHONE: (((ContactMode.TELEPHONE, ContactSetting.HOME), 100),),
}


@dataclass(frozen=True)
class Scale:
    """How an instrument moves: its first domain, the range of a baseline, the step, and the change that is usual."""

    domain: OutcomeDomain
    lowest: float
    highest: float
    step: float
    change: tuple[int, int]
    """Steps from baseline to later value; for SDQ less is better."""


_SCALES = {
    Instrument.TOMS: Scale(OutcomeDomain.ACTIVITY, 1, 3, 0.5, (0, 4)),
    Instrument.BOXALL: Scale(OutcomeDomain.ORGANISATION_OF_EXPERIENCE, 20, 60, 1, (-3, 18)),
    Instrument.PIVATS: Scale(OutcomeDomain.READING, 10, 40, 1, (0, 9)),
    Instrument.GOAL_BASED: Scale(OutcomeDomain.GOAL_1, 1, 5, 1, (0, 5)),
    Instrument.ATTENDANCE: Scale(OutcomeDomain.SESSIONS_ATTENDED_PERCENT, 60, 88, 0.5, (-4, 20)),
    Instrument.SDQ: Scale(OutcomeDomain.TOTAL_DIFFICULTIES, 14, 32, 1, (-10, 2)),
}


@dataclass(frozen=True, slots=True)
class Done:
    """One session, as an impact return counts it."""

    on: date
    attended: bool
    referral_id: UUID
    school_id: UUID


class Sessions:
    """Contacts and outcomes of the demo. `done`, by service, is what their returns are made of."""

    def __init__(self, rows: Rows, rng: SeededRandom) -> None:
        self._rows, self._rng = rows, rng
        self._references = rng.randint(10_000, 20_000)
        self.done: dict[str, list[Done]] = {plan.code: [] for plan in SERVICES}

    def add(
        self, plan: ServicePlan, provider: ProviderEntry, school_id: UUID, referral_id: UUID, size: int, course: Course
    ) -> None:
        """Add the contacts of a referral, and its outcome where work has begun."""
        rng = self._rng
        whose = {"area_id": AREA_ID, "referral_id": referral_id, "school_id": school_id, "provider_id": provider.id}
        system = "EPR" if provider.client_id.startswith("epr-") else "CASE"
        for session in course.sessions:
            self._references += 1
            attended = session.attendance is Attendance.ATTENDED
            self.done[plan.code].append(Done(session.on, attended, referral_id, school_id))
            mode, setting = rng.weighted(_WHERE[plan.delivery])
            self._rows.add(
                Contact,
                **whose,
                id=rng.id_at(session.at),
                on=session.on,
                mode=mode,
                setting=setting,
                reference=f"{system}-{self._references}" if system == "EPR" or rng.chance(0.7) else None,
                duration_minutes=rng.choice((30, 45, 45, 60)),
                attendance=session.attendance,
                staff_role=plan.staff,
                group_size=size,
                organisation_id=provider.organisation_id,
                recorded_at=session.at,
            )
        if course.started_on and rng.chance(0.8):
            self._rows.add(
                Outcome, **whose, organisation_id=provider.organisation_id, **self._measure(plan, size, course)
            )

    def _measure(self, plan: ServicePlan, size: int, course: Course) -> dict[str, object]:
        """Return the columns of one outcome, from the first attended session and, if work has ended, from the last."""
        rng, scale = self._rng, _SCALES[plan.instrument]
        attended = [session for session in course.sessions if session.attendance is Attendance.ATTENDED]
        first, last = attended[0], attended[-1]
        steps = int((scale.highest - scale.lowest) / scale.step)
        baseline = scale.lowest + scale.step * rng.randint(0, steps)
        later = course.status == "discharged" and last.on > first.on
        recorded_at = last.at if later else first.at
        return {
            "id": rng.id_at(recorded_at),
            "instrument": plan.instrument,
            "domain": scale.domain,
            "n": size,
            "baseline_on": first.on,
            "baseline_value": baseline,
            "later_on": last.on if later else None,
            "later_value": baseline + scale.step * rng.randint(*scale.change) if later else None,
            "recorded_at": recorded_at,
        }
