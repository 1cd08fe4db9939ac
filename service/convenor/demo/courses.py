"""Simulate one referral, day by day, along the pathway of the service referral."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from convenor.contacts.models import Attendance
from convenor.demo.seeded_random import SeededRandom, school_day, weekday
from convenor.pathways.models import Actor

SHORTEST_WAIT, LONGEST_WAIT = 10, 120
"""Days from submission to the first attended contact."""

_RETURNED = ("The date of birth is missing.", "Please add what was tried before.", "Please add the family's view.")
_DECLINED = ("Another service fits better.", "Below the threshold of this service.")
_DISCHARGES = (
    ("goals_met", "The goals were met; the school goes on with the strategies.", 60),
    ("goals_partly_met", "Some goals were met; a plan for the rest is with the school.", 24),
    ("referred_on", "Another service is better placed.", 7),
    ("did_not_engage", "Sessions were not taken up.", 5),
    ("moved_away", "The family moved away.", 4),
)
_ATTENDANCE = (
    (Attendance.ATTENDED, 86),
    (Attendance.DID_NOT_ATTEND, 6),
    (Attendance.CANCELLED_BY_FAMILY, 4),
    (Attendance.CANCELLED_BY_SCHOOL, 2),
    (Attendance.CANCELLED_BY_SERVICE, 2),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One transition."""

    at: datetime
    to: str
    by: Actor
    reason: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One contact, and when it was recorded."""

    at: datetime
    on: date
    attendance: Attendance


@dataclass
class Course:
    """The history of a referral up to a day, as its row and the records that belong to it show."""

    steps: list[Step] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    started_on: date | None = None
    ended_at: datetime | None = None
    returned_at: datetime | None = None
    returned_seconds: int = 0

    @property
    def status(self) -> str:
        """The state that it is in."""
        return self.steps[-1].to

    def take(self, event: Step | Session) -> None:
        """Take one step."""
        if isinstance(event, Session):
            self.sessions.append(event)
            return
        if self.returned_at:
            self.returned_seconds += int((event.at - self.returned_at).total_seconds())
        self.returned_at = event.at if event.to == "returned" else None
        if event.to == "in_progress":
            self.started_on = self.sessions[-1].on
        if event.to in ("discharged", "declined", "withdrawn"):
            self.ended_at = event.at
        self.steps.append(event)


def play(rng: SeededRandom, submitted_on: date, until: date, *, keeps_waiting: bool = False) -> Course:
    """Play a referral up to, but not including, the day `until`.

    Args:
        rng: the random generator.
        submitted_on: the day of submission.
        until: the demo's date.
        keeps_waiting: whether the referral is accepted and still waits.
    """
    course = Course()
    events = _wait(rng, submitted_on) if keeps_waiting else _events(rng, submitted_on)
    for event in events:
        day = event.on if isinstance(event, Session) else event.at.date()
        if day >= until:
            break
        course.take(event)
    return course


def _wait(rng: SeededRandom, day: date) -> Iterator[Step]:
    yield Step(rng.time_on(day), "submitted", Actor.REFERRER)
    day = weekday(day + timedelta(days=rng.randint(1, 4)))
    yield Step(rng.time_on(day), "accepted", Actor.SERVICE)
    yield Step(rng.time_on(weekday(day + timedelta(days=rng.randint(1, 3)))), "waiting", Actor.SERVICE)


def _events(rng: SeededRandom, submitted_on: date) -> Iterator[Step | Session]:
    def later(least: int, most: int) -> date:
        return weekday(day + timedelta(days=rng.randint(least, most)))

    wait = min(LONGEST_WAIT - 5, SHORTEST_WAIT + int(rng.gammavariate(2.2, 17)))
    day = submitted_on
    yield Step(rng.time_on(day), "submitted", Actor.REFERRER)
    day = later(1, 5)
    if rng.chance(0.02):
        yield Step(rng.time_on(day), "withdrawn", Actor.REFERRER, "Sent by mistake.")
        return
    if rng.chance(0.09):
        yield Step(rng.time_on(day), "returned", Actor.SERVICE, rng.choice(_RETURNED))
        day = later(2, 18)
        if rng.chance(0.15):
            yield Step(rng.time_on(day), "withdrawn", Actor.REFERRER, "The school will try another way first.")
            return
        yield Step(rng.time_on(day), "submitted", Actor.REFERRER, "What was missing has been added.")
        day = later(1, 4)
    if rng.chance(0.05):
        yield Step(rng.time_on(day), "declined", Actor.SERVICE, rng.choice(_DECLINED))
        return
    yield Step(rng.time_on(day), "accepted", Actor.SERVICE)
    first = submitted_on + timedelta(days=wait)
    if (first - day).days > 4:
        day = later(1, 2)
        yield Step(rng.time_on(day), "waiting", Actor.SERVICE)
    if (first - day).days > 30 and rng.chance(0.05):
        day = later(2, 6)
        yield Step(rng.time_on(day), "paused", Actor.SERVICE, "The family asked for a later start.")
        day = later(5, 14)
        yield Step(rng.time_on(day), "waiting", Actor.SERVICE, "The family is ready.")
    if (first - day).days > 20 and rng.chance(0.04):
        day = later(6, 14)
        yield Step(rng.time_on(day), "withdrawn", Actor.REFERRER, "No longer needed.")
        return
    if (first - day).days > 12 and rng.chance(0.06):
        day = later(2, 7)
        yield Session(rng.time_on(day), day, Attendance.DID_NOT_ATTEND)
    yield from _work(rng, weekday(max(first, day + timedelta(days=1))))


def _work(rng: SeededRandom, day: date) -> Iterator[Step | Session]:
    at = rng.time_on(day)
    yield Session(at, day, Attendance.ATTENDED)
    yield Step(at, "in_progress", Actor.NOBODY)
    gap = rng.choice((7, 7, 14, 21))
    for _ in range(rng.randint(1, 8)):
        day = school_day(day + timedelta(days=gap))
        yield Session(rng.time_on(day), day, rng.weighted(_ATTENDANCE))
    day = weekday(day + timedelta(days=rng.randint(1, 12)))
    reason, outcome, _ = rng.weighted([(ending, ending[2]) for ending in _DISCHARGES])
    yield Step(rng.time_on(day), "discharged", Actor.SERVICE, reason, outcome)
