"""Wendshire's pupils: invented, with numbers that are valid and issued to nobody."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from convenor.demo.catalogue import ServicePlan
from convenor.demo.directory import AREA_ID, SchoolEntry
from convenor.demo.invented_names import FAMILY, GIVEN
from convenor.demo.seeded_random import SeededRandom
from convenor.domain_types.codes import Phase, SenProvision
from convenor.domain_types.dates import AcademicYear
from convenor.importers.rows import Rows
from convenor.pupils.models import Pupil, PupilStatement

RECEPTION = 4
"""Age on the 31 August before the school year in which a pupil first gets a UPN."""
_SEN = ((SenProvision.SEN_SUPPORT, 68), (SenProvision.NONE, 20), (SenProvision.EHC_PLAN, 12))


@dataclass(frozen=True, eq=False)
class PupilEntry:
    """A pupil of the demo, as its school states it in every referral."""

    id: UUID
    school: SchoolEntry
    born_for: int
    """The start of the school year before which it was three, four, ... on 31 August, less that age."""
    stated: dict[str, Any]


class Pupils:
    """Everybody who has been referred so far, by school."""

    def __init__(self, rows: Rows, rng: SeededRandom, schools: tuple[SchoolEntry, ...]) -> None:
        self._rows, self._rng = rows, rng
        self._known: dict[str, list[PupilEntry]] = {school.urn: [] for school in schools}
        self._first_schools = {
            cluster: [school for school in schools if school.cluster == cluster and school.phase is Phase.PRIMARY]
            for cluster in {school.cluster: None for school in schools}
        }
        self._came: dict[PupilEntry, tuple[datetime, UUID]] = {}
        """The oldest referral of each pupil."""
        self._ended: dict[tuple[UUID, str], date | None] = {}

    def choose(self, school: SchoolEntry, plan: ServicePlan, on: date) -> PupilEntry:
        """Choose a pupil of the school without an open or recent referral to the service; one in three is not new."""
        known = self._known[school.urn]
        if known and self._rng.chance(0.35):
            pupil = self._rng.choice(known)
            of_age = AcademicYear.of(on).start - pupil.born_for in school.ages
            before = (pupil.id, plan.code)
            ended = self._ended.get(before)
            if of_age and (before not in self._ended or (ended and on - ended > timedelta(days=60))):
                return pupil
        return self._invent(school, on)

    def choose_elsewhere(self, school: SchoolEntry, plan: ServicePlan, on: date, *, slip: bool) -> PupilEntry | None:
        """Choose a pupil whom another school has referred to the service, as this school states it; None if none is.

        Args:
            school: the other school of the child.
            plan: the service, which has an open referral of the child.
            on: the day of the referral.
            slip: whether the school has another date of birth, so that somebody must decide.
        """
        known = [
            pupil
            for of_school in self._known.values()
            for pupil in of_school
            if pupil.school is not school
            and pupil.stated["upn"]
            and AcademicYear.of(on).start - pupil.born_for in school.ages
            and self._ended.get((pupil.id, plan.code), on) is None
        ]
        if not known:
            return None
        pupil = self._rng.choice(known)
        stated = pupil.stated
        if slip:
            stated = stated | {"date_of_birth": stated["date_of_birth"] - timedelta(days=1)}
        return replace(pupil, id=self._rng.random_id(), school=school, stated=stated)

    def add_history(self, pupil: PupilEntry, plan: ServicePlan, ended_on: date | None) -> None:
        """Record how long a referral of the pupil to the service was open."""
        self._ended[pupil.id, plan.code] = ended_on

    def state(
        self, pupil: PupilEntry, statement_id: UUID, referral_id: UUID, provider_id: UUID, stated_at: datetime
    ) -> None:
        """Add the pupil's details as one referral states them."""
        came = (stated_at, referral_id)
        self._came[pupil] = min(came, self._came.get(pupil, came))
        self._rows.add(
            PupilStatement,
            area_id=AREA_ID,
            id=statement_id,
            stated_at=stated_at,
            referral_id=referral_id,
            pupil_id=pupil.id,
            school_id=pupil.school.id,
            provider_id=provider_id,
            **pupil.stated,
        )

    def add_all(self) -> None:
        """Add everybody, each with the oldest referral."""
        for pupil, (_, referral_id) in self._came.items():
            self._rows.add(Pupil, area_id=AREA_ID, id=pupil.id, school_id=pupil.school.id, referral_id=referral_id)

    def _invent(self, school: SchoolEntry, on: date) -> PupilEntry:
        rng, year = self._rng, AcademicYear.of(on)
        # Younger pupils are referred more often.
        age = min(rng.choice(school.ages), rng.choice(school.ages))
        born_for = year.start - age
        # Born within the twelve months up to 31 August.
        born = date(born_for, 8, 31) - timedelta(days=rng.randrange(365))
        family = rng.choice(FAMILY)
        asks = rng.chance(0.3)
        stated = {
            "upn": self._upn(school, born_for + RECEPTION) if age >= RECEPTION else None,
            "nhs_number": rng.nhs_number() if rng.chance(0.62) else None,
            "given_name": rng.choice(GIVEN),
            "family_name": family,
            "date_of_birth": born,
            "sen_provision": rng.weighted(_SEN),
            "parent_name": f"{rng.choice(GIVEN)} {family}" if asks else None,
            "interpreter_language": rng.choice(("Polish", "Arabic", "BSL")) if rng.chance(0.03) else None,
        }
        pupil = PupilEntry(rng.random_id(), school, born_for, stated)
        self._known[school.urn].append(pupil)
        return pupil

    def _upn(self, school: SchoolEntry, entry_year: int) -> str:
        """Make a UPN. A secondary pupil got it in a primary school of the same cluster."""
        first = self._rng.choice(self._first_schools[school.cluster]) if school.phase is Phase.SECONDARY else school
        return self._rng.upn(first.laestab, entry_year)
