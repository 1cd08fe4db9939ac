"""Look for possible duplicates only where a pupil is linked: few are, and each read of a service paid for the question."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The caller's own row-level security holds inside. Not in SQL, which the planner would make part of every read.
POSSIBLE_DUPLICATES = """
    create function possible_duplicates_of(the_link person_link, the_service uuid)
    returns text[] language plpgsql stable as $$
    begin
        return (
            select array_agg(r.code order by r.submitted_at, r.id) from person_link o
            join referral r on r.area_id = o.area_id and r.id = o.referral_id
            where o.area_id = the_link.area_id and o.match_id = the_link.match_id and o.group_id = the_link.group_id
                and o.pupil_id <> the_link.pupil_id and o.pupil_id <> all (the_link.apart_from)
                and r.service_id = the_service and r.ended_at is null
        );
    end
    $$
"""


def upgrade() -> None:
    op.execute(POSSIBLE_DUPLICATES)


def downgrade() -> None:
    op.execute("drop function possible_duplicates_of")
