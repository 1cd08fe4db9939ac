"""Add the functions that count or link cases beyond a caller's row access, and never show a row.

Each sets `convenor.reach` to the area for its own query and then restores it; the areas stay the caller's. (A SET
clause would be shorter, but only a superuser may attach a custom setting to a function.)
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FUNCTIONS = {
    # Find the pupil, whichever school stated it, and return the id only. An NHS number must match together with the
    # date of birth, because a mistyped number would link two children.
    "match_pupil(the_area uuid, the_upn text, the_nhs_number text, born_on date)": (
        "table (pupil_id uuid)",
        """
        select i.pupil_id from pupil_identity i
        where i.area_id = the_area and (i.upn = the_upn or (i.nhs_number = the_nhs_number and i.date_of_birth = born_on))
        order by i.upn = the_upn desc nulls last, i.referral_id
        limit 1
        """,
    ),
    # How many referrals wait for a service, how long they have waited, and how many are in progress.
    "service_load(the_area uuid, the_service uuid, as_at timestamptz)": (
        "table (waiting bigint, median_days int, longest_days int, in_use bigint)",
        """
        select count(*) filter (where r.started_at is null),
            percentile_disc(0.5) within group (order by extract(day from as_at - r.submitted_at)::int)
                filter (where r.started_at is null),
            max(extract(day from as_at - r.submitted_at)::int) filter (where r.started_at is null),
            count(*) filter (where r.started_at is not null)
        from referral r
        where r.area_id = the_area and r.service_id = the_service and r.ended_at is null
        """,
    ),
    # The same by service and cluster.
    "area_waits(the_area uuid, as_at timestamptz)": (
        "table (service_id uuid, cluster_id uuid, waiting bigint, median_days int, longest_days int)",
        """
        select r.service_id, r.cluster_id, count(*),
            percentile_disc(0.5) within group (order by extract(day from as_at - r.submitted_at)::int),
            max(extract(day from as_at - r.submitted_at)::int)
        from referral r
        where r.area_id = the_area and r.ended_at is null and r.started_at is null
        group by r.service_id, r.cluster_id
        """,
    ),
}


def upgrade() -> None:
    for signature, (returns, query) in FUNCTIONS.items():
        op.execute(
            f"""
            create function {signature} returns {returns} language plpgsql stable as $$
            #variable_conflict use_column
            declare before text := coalesce(current_setting('convenor.reach', true), '');
            begin
                perform set_config('convenor.reach', 'area', true);
                return query {query};
                perform set_config('convenor.reach', before, true);
            end
            $$
            """
        )


def downgrade() -> None:
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature.split('(')[0]}")
