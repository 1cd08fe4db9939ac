"""The row about loading: contacts over HTTP against one connection that copies the same rows into the same table."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from data import Area
from installation import Installation
from load import Asked, Measured, fetch, post
from rows import Row, Target

from convenor.kit.calendar import today
from convenor.kit.ids import uuid7
from convenor.kit.principal import Role

LINES = 20_000
COLUMNS = [
    *("area_id", "id", "referral_id", "school_id", "provider_id", "organisation_id", "recorded_at", "on", "mode"),
    *("setting", "reference", "duration_minutes", "attendance", "staff_role", "group_size", "version"),
]
SAID = 'c."on", mode, setting, duration_minutes, attendance, staff_role, group_size, c.referral_id, c.version'


class Loads:
    """Rounds of either kind, each with references of its own."""

    def __init__(
        self, there: Installation, admin: asyncpg.Connection, referrals: list[Any], organisation: UUID
    ) -> None:
        self.there, self.admin, self.referrals, self.organisation = there, admin, referrals, organisation
        self.numbers = itertools.count()

    async def copy(self) -> Measured:
        """Copies the rows of a round."""
        number = next(self.numbers)
        rows = [self._row(line, referral) for line, referral in self._lines(f"copied-{number}")]
        start = time.perf_counter()
        await self.admin.copy_records_to_table("contact", records=rows, columns=COLUMNS)
        return Measured.of([time.perf_counter() - start] * LINES, time.perf_counter() - start)

    async def load(self) -> Measured:
        """Sends the lines of a round to the service."""
        asked = self._asked(f"loaded-{next(self.numbers)}")
        start = time.perf_counter()
        answer = await fetch(asked)
        elapsed = time.perf_counter() - start
        assert answer.count(b'"result":"created"') == LINES, answer[:300]
        return Measured.of([elapsed] * LINES, elapsed)

    async def assert_equal(self) -> None:
        """Both leave the same rows, and a repeated load changes nothing."""
        await self.copy()
        asked = self._asked("loaded-once")
        assert (await fetch(asked)).count(b'"result":"created"') == LINES
        assert (await fetch(asked)).count(b'"result":"unchanged"') == LINES
        same = await self.admin.fetchval(
            f"select count(*) from (select {SAID} from contact c where reference like 'copied-0-%' intersect all"
            f" select {SAID} from contact c where reference like 'loaded-once-%') e"
        )
        assert same == LINES, "bulk: what was loaded is not what was copied"

    def _asked(self, prefix: str) -> Asked:
        body = "".join(json.dumps(line) + "\n" for line, _ in self._lines(prefix)).encode()
        token = self.there.token(Role.HEALTH_SYSTEM)
        return post(self.there.ports["service"], "/v1/bulk/contacts", body, "application/x-ndjson", token)

    def _lines(self, prefix: str) -> list[tuple[dict[str, Any], Any]]:
        day = today()
        return [
            (
                {
                    "referral_code": referral["code"],
                    "reference": f"{prefix}-{number:06}",
                    "on": (day - timedelta(days=number % 28)).isoformat(),
                    "mode": "face_to_face",
                    "setting": "school",
                    "duration_minutes": 45,
                    "attendance": "attended" if number % 5 else "did_not_attend",
                    "staff_role": "speech_and_language_therapist",
                    "group_size": 1,
                },
                referral,
            )
            for number, referral in zip(range(LINES), itertools.cycle(self.referrals), strict=False)
        ]

    def _row(self, line: dict[str, Any], referral: Any) -> tuple[Any, ...]:
        values = line | {name: referral[name] for name in ("area_id", "school_id", "provider_id")}
        values |= {"id": uuid7(), "referral_id": referral["id"], "organisation_id": self.organisation}
        values |= {"recorded_at": datetime.now(UTC), "version": 1, "on": datetime.fromisoformat(line["on"]).date()}
        return tuple(values[name] for name in COLUMNS)


async def rows(there: Installation) -> list[Row]:
    """The row, with equal rows asserted."""
    admin = await asyncpg.connect(there.superuser_url)
    loads = Loads(there, admin, await _referrals(admin, there.area), await _organisation(admin, there.area))
    await loads.assert_equal()
    name = f"bulk, {LINES:,} contacts"
    return [Row(name, "one COPY", loads.copy, loads.load, Target("at least", 0.8))]


async def _referrals(admin: asyncpg.Connection, area: Area) -> list[Any]:
    found: list[Any] = await admin.fetch(
        "select area_id, id, code, school_id, provider_id from referral"
        " where area_id = $1 and provider_id = $2 and ended_at is null order by submitted_at",
        area.id,
        area.provider,
    )
    return found


async def _organisation(admin: asyncpg.Connection, area: Area) -> UUID:
    found: UUID = await admin.fetchval(
        "select organisation_id from client where client_id = $1", f"{Role.HEALTH_SYSTEM}-{area.la_code}"
    )
    return found
