"""Measure a bulk import of contacts over HTTP against one connection that copies the same rows into the table."""

import asyncio
import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from data import ORGANISATION, Area
from installation import Installation
from load import Measured, RequestSet, fetch, post
from rows import Row, Target
from scale import SCALE

from convenor.database.ids import uuid7
from convenor.domain_types.dates import today
from convenor.security.principal import Role

COLUMNS = [
    *("area_id", "id", "referral_id", "school_id", "provider_id", "organisation_id", "recorded_at", "on", "mode"),
    *("setting", "reference", "duration_minutes", "attendance", "staff_role", "group_size", "version"),
]
STORED_COLUMNS = 'c."on", mode, setting, duration_minutes, attendance, staff_role, group_size, c.referral_id, c.version'
WHY = (
    "Python's 40 microseconds for a line (parsing, rules, its result) are more than a copied row costs in all, and the"
    " insert under row-level security is 1.3 copies. Tried: staged COPY, JSON and composite arrays, reading ahead; kept:"
    " pydantic's own parser for good lines, rows without entities, one insert a batch."
)


class Loads:
    """Rounds of either kind for the referrals of one provider, each with references of its own."""

    numbers = itertools.count()

    def __init__(self, installation: Installation, admin: asyncpg.Connection, role: Role, found: list[Any]) -> None:
        self.installation, self.admin, self.role, self.referrals = installation, admin, role, found

    async def copy(self) -> Measured:
        """Copy the rows of a round."""
        rows = [self._row(line, referral) for line, referral in self._lines(f"copied-{next(self.numbers)}")]
        start = time.perf_counter()
        await self.admin.copy_records_to_table("contact", records=rows, columns=COLUMNS)
        return _measured(SCALE.lines, time.perf_counter() - start)

    async def load(self) -> Measured:
        """Send the lines of a round to the service."""
        request_set = self.request_set(f"loaded-{next(self.numbers)}")
        start = time.perf_counter()
        await assert_results("created", request_set)
        return _measured(SCALE.lines, time.perf_counter() - start)

    async def assert_equal(self) -> None:
        """Assert that both store the same rows, and that a repeated import changes nothing."""
        before = next(self.numbers) + 1
        await self.copy()
        began = await self.admin.fetchval("select now()")
        request_set = self.request_set("loaded-once")
        await assert_results("created", request_set)
        await assert_results("unchanged", request_set)
        same = await self.admin.fetchval(
            f"select count(*) from (select {STORED_COLUMNS} from contact c where reference like 'copied-{before}-%' intersect all"
            f" select {STORED_COLUMNS} from contact c where reference_hash is not null and recorded_at >= $1) e",
            began,
        )
        assert same == SCALE.lines, "bulk: what was loaded is not what was copied"

    def request_set(self, prefix: str) -> RequestSet:
        """Return the lines of a round."""
        body = "".join(json.dumps(line) + "\n" for line, _ in self._lines(prefix)).encode()
        token = self.installation.token(self.role)
        return post(self.installation.ports["service"], "/v1/bulk/contacts", body, "application/x-ndjson", token)

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
            for number, referral in zip(range(SCALE.lines), itertools.cycle(self.referrals), strict=False)
        ]

    def _row(self, line: dict[str, Any], referral: Any) -> tuple[Any, ...]:
        values = line | {name: referral[name] for name in ("area_id", "school_id", "provider_id")}
        values |= {"id": uuid7(), "referral_id": referral["id"], "organisation_id": ORGANISATION}
        values |= {"recorded_at": datetime.now(UTC), "version": 1, "on": datetime.fromisoformat(line["on"]).date()}
        return tuple(values[name] for name in COLUMNS)


async def rows(installation: Installation) -> list[Row]:
    """Measure, after asserting that both store the same rows."""
    admin = await asyncpg.connect(installation.superuser_url)
    one, other = [
        Loads(installation, admin, role, await _referrals(admin, installation.area, provider))
        for role, provider in (
            (Role.HEALTH_SYSTEM, installation.area.provider),
            (Role.PROVIDER_PORTAL, installation.area.second_provider),
        )
    ]
    await one.assert_equal()

    async def both() -> Measured:
        number = next(Loads.numbers)
        request_sets = [loads.request_set(f"loaded-{number}-{loads.role}") for loads in (one, other)]
        start = time.perf_counter()
        await asyncio.gather(*(assert_results("created", each) for each in request_sets))
        return _measured(2 * SCALE.lines, time.perf_counter() - start)

    target, name = Target("at least", 0.8), f"bulk, {SCALE.lines:,} contacts"
    return [
        Row(name, "one COPY", one.copy, one.load, target, why=WHY),
        Row(f"{name} of each of two providers", "one COPY", one.copy, both, target, why=WHY),
    ]


async def assert_results(result: str, request_set: RequestSet) -> None:
    """Send an import, and fail unless every line has this result."""
    answer = await fetch(request_set)
    assert answer.count(f'"result":"{result}"'.encode()) == SCALE.lines, answer[:300]


def _measured(lines: int, elapsed: float) -> Measured:
    return Measured(lines / elapsed, elapsed * 1000, elapsed * 1000)


async def _referrals(admin: asyncpg.Connection, area: Area, provider: UUID) -> list[Any]:
    found: list[Any] = await admin.fetch(
        "select area_id, id, code, school_id, provider_id from referral"
        " where area_id = $1 and provider_id = $2 and ended_at is null order by submitted_at",
        area.id,
        provider,
    )
    return found
