"""Invent pupils who changed school: what their new schools ask, and nobody has decided yet."""

from datetime import date

from convenor.demo.directory import AREA_ID, SchoolEntry
from convenor.demo.pupils import PupilEntry
from convenor.demo.seeded_random import SeededRandom
from convenor.handovers.models import Handover, HandoverStatement, HandoverStatus
from convenor.handovers.rules import LIFE
from convenor.importers.rows import Rows

MOVES = 8
"""How many pupils moved of late."""
MOVED_DAYS_AGO = range(1, 12)


def ask_for(rows: Rows, rng: SeededRandom, pupil: PupilEntry, school: SchoolEntry, day: date) -> None:
    """Let a school ask for a pupil of another. The service puts it to the other school once it is started."""
    asked_at = rng.time_on(day)
    statement_id = rng.id_at(asked_at)
    rows.add(HandoverStatement, area_id=AREA_ID, id=statement_id, school_id=school.id, **pupil.stated)
    rows.add(
        Handover,
        area_id=AREA_ID,
        id=rng.id_at(asked_at),
        code=rng.code("H"),
        school_id=school.id,
        statement_id=statement_id,
        status=HandoverStatus.ASKED,
        client_id=f"mis-{school.urn}",
        organisation=school.name,
        asked_at=asked_at,
        lapses_at=asked_at + LIFE,
        referrals=[],
        reason="The family moved here.",
    )
