"""Seed areas that differ in the length of their history only. Each has five clusters, a hundred schools and 2,000 open
referrals, because the number of open referrals does not grow with the years."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

OPEN = 2_000


@dataclass(frozen=True)
class Area:
    """One area: `referrals` over three school years, five contacts with each on which work began."""

    name: str
    la_code: str
    referrals: int

    @property
    def id(self) -> UUID:
        """Return the area's id."""
        return UUID(f"019a0000-0000-7000-8000-000000000{self.la_code}")

    @property
    def provider(self) -> UUID:
        """The provider whose system calls: a fifth of the referrals are to its services."""
        return _id(2)

    @property
    def second_provider(self) -> UUID:
        """The provider whose portal calls; it has another fifth."""
        return _id(3)


SMALL, LARGE = Area("10k", "997", 10_000), Area("1m", "996", 1_000_000)
ORGANISATION = UUID("019a0000-0000-7000-8000-0000000000aa")
"""The organisation that recorded the seeded contacts."""

FIRST = "insert into organisation (id, name, kind) values ($1, 'Bench', 'health')"
AREA = "insert into area (area_id, la_code, name, version) values ($1, $2, 'Benchfield', 1)"
STATEMENTS = [
    """insert into cluster (area_id, id, code, name, version)
    select $1, {id:n}, n::text, 'Cluster ' || n, 1 from generate_series(1, 5) n""",
    """insert into school (area_id, id, urn, name, status, version)
    select $1, {id:n}, (910000 + n)::text, 'School ' || n, 'open', 1 from generate_series(1, 100) n""",
    """insert into cluster_membership (area_id, id, cluster_id, school_id, valid_from, version)
    select $1, {id:n}, {id:n % 5 + 1}, {id:n}, '2020-09-01', 1 from generate_series(1, 100) n""",
    """insert into provider (area_id, id, name, kind, version)
    select $1, {id:n}, 'Provider ' || n, 'nhs', 1 from generate_series(1, 5) n""",
    """insert into commissioned_service (area_id, id, code, name, area_of_need, offer, provider_id, version)
    select $1, {id:n}, 'S' || n, 'Service ' || n, 'C&I', 'core', {id:n % 5 + 1}, 1 from generate_series(1, 10) n""",
    """insert into pupil (area_id, id, school_id, referral_id)
    select $1, {id:n}, {id:n / 10 % 100 + 1}, {id:n} from generate_series(1, {referrals}) n""",
    """insert into referral (area_id, id, code, pathway, pathway_version, service_id, provider_id, school_id, cluster_id,
        need, priority, reason, subject_kind, pupil_id, statement_id, status, submitted_at, started_at, ended_at,
        returned_seconds, version)
    select $1, {id:n}, 'B' || lpad(n::text, 9, '0'), 'service', 1, {id:n % 10 + 1}, {id:(n % 10 + 1) % 5 + 1},
        {id:school}, {id:school % 5 + 1}, 'SLCN', 'routine', 'Reason ' || n, 'pupil', {id:n}, {id:n},
        case when ended then 'discharged' when begun then 'in_progress' else 'accepted' end, at,
        case when ended or begun then greatest(at, (at::date + 1)::timestamp at time zone 'Europe/London') end,
        case when ended then at + interval '90 days' end, 0, 1
    from generate_series(1, {referrals}) n cross join lateral (
        select timestamptz '2023-09-01 12:00+01' + n * (interval '1095 days' / {referrals}) as at, n / 10 % 100 + 1 as school,
            n <= {referrals} - {open} as ended, n / 10 % 2 = 0 as begun) o""",
    """insert into pupil_statement (area_id, id, referral_id, pupil_id, school_id, provider_id, stated_at, given_name,
        family_name, date_of_birth, sen_provision)
    select area_id, statement_id, id, pupil_id, school_id, provider_id, submitted_at, 'Given', 'Family', '2016-05-04',
        'K' from referral
    where area_id = $1""",
    """insert into contact (area_id, id, referral_id, school_id, provider_id, organisation_id, "on", mode, setting,
        reference, duration_minutes, attendance, staff_role, group_size, recorded_at, version)
    select area_id, {id:row_number() over (order by submitted_at, week)}, id, school_id, provider_id,
        (select o.id from organisation o), submitted_at::date + 1 + 7 * week, 'face_to_face', 'school', code || '-' || week, 45, 'attended',
        'speech_and_language_therapist', 1, submitted_at + make_interval(days => 1 + 7 * week), 1
    from referral cross join generate_series(0, 4) week where area_id = $1 and started_at is not null""",
]


async def load(superuser_url: str, areas: list[Area]) -> None:
    """Write the data without row-level security, but with checks and triggers, and update the statistics."""
    settings = {"synchronous_commit": "off", "work_mem": "256MB", "timezone": "UTC"}
    connection = await asyncpg.connect(superuser_url, server_settings=settings)
    await connection.execute(FIRST, ORGANISATION)
    for area in areas:
        await connection.execute(AREA, area.id, area.la_code)
        # A pupil, its referral and the statement name each other.
        async with connection.transaction():
            for statement in STATEMENTS:
                await connection.execute(_written(statement, area), area.id)
    await connection.execute("vacuum analyze")
    await connection.close()


def _id(number: int) -> UUID:
    return UUID(f"019a0000-0000-7000-8000-{number:012x}")


def _written(statement: str, area: Area) -> str:
    parts = statement.replace("{referrals}", str(area.referrals)).replace("{open}", str(OPEN)).split("{id:")
    written = parts[0]
    for part in parts[1:]:
        number, _, rest = part.partition("}")
        written += f"('019a0000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid{rest}"
    return written
