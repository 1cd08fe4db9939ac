"""Seeded data for measuring: one area, five clusters, a hundred schools, and as many referrals as asked."""

import asyncpg

SEED = """
with area as (insert into area (area_id, la_code, name, version) values ($1, '997', 'Benchfield', 1))
insert into cluster (area_id, id, code, name, version)
select $1, md5('cluster' || n)::uuid, n::text, 'Cluster ' || n, 1 from generate_series(1, 5) n
"""
STATEMENTS = [
    """insert into school (area_id, id, urn, name, status, version)
    select $1, md5('school' || n)::uuid, (910000 + n)::text, 'School ' || n, 'open', 1 from generate_series(1, 100) n""",
    """insert into cluster_membership (area_id, id, cluster_id, school_id, valid_from, version)
    select $1, md5('member' || n)::uuid, md5('cluster' || (n % 5 + 1))::uuid, md5('school' || n)::uuid, '2020-09-01', 1
    from generate_series(1, 100) n""",
    """insert into provider (area_id, id, name, kind, version)
    select $1, md5('provider' || n)::uuid, 'Provider ' || n, 'nhs', 1 from generate_series(1, 5) n""",
    """insert into commissioned_service (area_id, id, code, name, area_of_need, offer, provider_id, version)
    select $1, md5('service' || n)::uuid, 'S' || n, 'Service ' || n, 'C&I', 'core', md5('provider' || (n % 5 + 1))::uuid, 1
    from generate_series(1, 10) n""",
    "insert into pupil (area_id, id) select $1, md5('pupil' || n)::uuid from generate_series(1, {referrals}) n",
    """insert into referral (area_id, id, code, pathway, pathway_version, service_id, provider_id, school_id, cluster_id,
        need, priority, reason, subject_kind, pupil_id, status, submitted_at, returned_seconds, version)
    select $1, md5('referral' || n)::uuid, 'B' || lpad(n::text, 9, '0'), 'service', 1, md5('service' || (n % 10 + 1))::uuid,
        md5('provider' || ((n % 10 + 1) % 5 + 1))::uuid, md5('school' || (n % 100 + 1))::uuid,
        md5('cluster' || ((n % 100 + 1) % 5 + 1))::uuid, 'SLCN', 'routine', 'Reason ' || n, 'pupil', md5('pupil' || n)::uuid,
        'submitted', timestamptz '2023-09-01' + n * interval '1 minute', 0, 1
    from generate_series(1, {referrals}) n""",
    """insert into pupil_identity (area_id, referral_id, pupil_id, school_id, provider_id, given_name, family_name,
        date_of_birth, sen_provision)
    select area_id, id, pupil_id, school_id, provider_id, 'Given', 'Family', '2016-05-04', 'K' from referral
    where area_id = $1""",
]


async def load(superuser_url: str, area: object, referrals: int) -> None:
    """Writes the data past row-level security and brings the statistics up to date."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(SEED, area)
        for statement in STATEMENTS:
            await connection.execute(statement.format(referrals=referrals), area)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
