"""Generate repeatable random values: the same seed and date give the same demo, to the last id."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from uuid import UUID

from convenor.database.ids import CODE_ALPHABET, compose_uuid7
from convenor.domain_types.codes import nhs_check_digit, upn_check_letter
from convenor.domain_types.dates import LONDON

Choice = TypeVar("Choice")


class SeededRandom(random.Random):
    """A random generator with this domain's identifiers, all of them from ranges that are issued to nobody."""

    def __init__(self, seed: int, as_at: date) -> None:
        super().__init__(f"{seed}/{as_at}")
        self._next_nhs = 0
        self._upns: dict[str, int] = {}

    def id_at(self, at: datetime | date) -> UUID:
        """Make an id as `uuid7` would have made it at a time (for a date, at midnight)."""
        if not isinstance(at, datetime):
            at = datetime.combine(at, time(), UTC)
        return compose_uuid7(int(at.timestamp() * 1000), self.getrandbits(12), self.getrandbits(62))

    def random_id(self) -> UUID:
        """Make an id as `uuid4` would have made it."""
        return UUID(int=self.getrandbits(128), version=4)

    def code(self, prefix: str) -> str:
        """Make a record code as `record_code` would have made it."""
        return prefix + "".join(self.choices(CODE_ALPHABET, k=12))

    def chance(self, share: float) -> bool:
        """Return True in this share of cases, from 0 to 1."""
        return self.random() < share

    def weighted(self, weights: Sequence[tuple[Choice, float]]) -> Choice:
        """Choose one of the values, each as often as its weight says."""
        return self.choices([choice for choice, _ in weights], [weight for _, weight in weights])[0]

    def time_on(self, day: date) -> datetime:
        """Choose a time in the working day in Europe/London, in UTC."""
        begins = datetime.combine(day, time(8, 30), LONDON)
        return (begins + timedelta(minutes=self.randrange(8 * 60))).astimezone(UTC)

    def nhs_number(self) -> str:
        """Make a new valid NHS number from 999..., outside the range that examples use (999000...)."""
        while True:
            first_nine = f"999{100_000 + self._next_nhs:06}"
            self._next_nhs += 1
            check = nhs_check_digit(first_nine)
            if check is not None:
                return f"{first_nine}{check}"

    def upn(self, laestab: str, entry_year: int) -> str:
        """Make a new valid UPN of a school, whose pupils are numbered within their year of entry."""
        stem = f"{laestab}{entry_year % 100:02}"
        self._upns[stem] = serial = self._upns.get(stem, 0) + 1
        body = f"{stem}{serial:03}"
        return upn_check_letter(body) + body


def weekday(day: date) -> date:
    """Return the day, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) % 7 if day.weekday() > 4 else 0)


def school_day(day: date) -> date:
    """Return the day, or the next on which schools are open: no weekend, August, Christmas or New Year."""
    while day.weekday() > 4 or day.month == 8 or (day.month, day.day) >= (12, 20) or (day.month, day.day) <= (1, 4):
        day += timedelta(days=1)
    return day
