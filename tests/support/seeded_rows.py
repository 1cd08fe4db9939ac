"""Enough cases for the planner to choose by: a few thousand referrals of one area, with all that hangs on them."""

import asyncpg
from support.dataset import DatasetArea

REFERRALS = 6_000

_REFERRALS = """
with referred as (
    insert into referral (area_id, id, code, need, priority, reason, pathway, pathway_version, service_id, provider_id,
        school_id, cluster_id, subject_kind, pupil_id, statement_id, status, submitted_at, started_at, ended_at,
        returned_seconds, version)
    select s.area_id, uuidv7(), 'P' || n, 'SLCN', 'routine', 'As agreed.', 'service', 1, s.id, s.provider_id,
        m.school_id, m.cluster_id, 'pupil', md5('pupil' || n)::uuid, md5('statement' || n)::uuid,
        case when n > $1 - 200 then 'submitted' else 'discharged' end, at, at,
        case when n <= $1 - 200 then at + interval '90 days' end, 0, 1
    from generate_series(1, $1) n
    cross join lateral (select timestamptz '2021-01-01' + n * interval '7 hours' as at) a
    join (select row_number() over (order by code) - 1 as number, * from commissioned_service where area_id = $2) s
        on s.number = n % 3
    join (select row_number() over (order by school_id) - 1 as number, * from cluster_membership where area_id = $2) m
        on m.number = n / 3 % 4
    returning area_id, pupil_id, school_id, id
)
insert into pupil (area_id, id, school_id, referral_id) select area_id, pupil_id, school_id, id from referred
"""
_STATEMENTS = """
insert into pupil_statement (area_id, id, referral_id, pupil_id, school_id, provider_id, stated_at, upn, given_name,
    family_name, date_of_birth, sen_provision)
select area_id, statement_id, id, pupil_id, school_id, provider_id, submitted_at, 'B8012000' || substr(code, 2),
    'Given', 'Family', '2016-05-04', 'K'
from referral where area_id = $1
"""
_TRACED = """
insert into traced_number (area_id, id, nhs_number, referral_id, school_id, provider_id, organisation_id, stated_at)
select area_id, uuidv7(), '999' || substr(code, 2), id, school_id, provider_id, area_id, submitted_at
from referral where area_id = $1
"""
_CONTACTS = """
insert into contact (area_id, id, "on", mode, setting, duration_minutes, attendance, staff_role, group_size,
    referral_id, school_id, provider_id, organisation_id, recorded_at, version)
select area_id, uuidv7(), submitted_at::date + week, 'video', 'remote', 30, 'attended', 'trainer', 1, id, school_id,
    provider_id, area_id, submitted_at, 1
from referral cross join generate_series(1, 3) week where area_id = $1
"""
_OUTCOMES = """
insert into outcome (area_id, id, instrument, domain, n, baseline_on, baseline_value, referral_id, school_id,
    provider_id, organisation_id, recorded_at, version)
select area_id, uuidv7(), 'TOMs', 'activity', 1, submitted_at::date, 1, id, school_id, provider_id, area_id,
    submitted_at, 1
from referral where area_id = $1
"""
_STEPS = """
insert into referral_transition (area_id, id, referral_id, school_id, provider_id, to_status, by, client_id,
    organisation, at)
select area_id, uuidv7(), id, school_id, provider_id, 'submitted', 'referrer', 'a client', 'an organisation',
    submitted_at
from referral where area_id = $1
"""


async def seed(superuser_url: str, area: DatasetArea) -> None:
    """Write the cases and let the planner know of them."""
    connection = await asyncpg.connect(superuser_url)
    async with connection.transaction():
        await connection.execute(_REFERRALS, REFERRALS, area.id)
        for statement in (_STATEMENTS, _TRACED, _CONTACTS, _OUTCOMES, _STEPS):
            await connection.execute(statement, area.id)
    await connection.execute("vacuum analyze")
    await connection.close()
