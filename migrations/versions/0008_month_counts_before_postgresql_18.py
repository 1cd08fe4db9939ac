"""Let PostgreSQL 16 and 17 count referrals by month: `uuidv7()`, which revision 0005 once called, is new in 18.

The id only distinguishes the rows of one month and cluster, so any UUID will do.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create or replace function count_referrals(the_area uuid, the_month date, the_cluster uuid, more bigint)
        returns void language plpgsql as $$
        begin
            update referral_month m set referrals = m.referrals + more
            where m.area_id = the_area and m.id = (
                select f.id from referral_month f
                where f.area_id = the_area and f.month = the_month and f.cluster_id is not distinct from the_cluster
                limit 1 for no key update skip locked);
            if not found then
                insert into referral_month (area_id, id, month, cluster_id, referrals)
                values (the_area, gen_random_uuid(), the_month, the_cluster, more);
            end if;
        end
        $$
        """
    )


def downgrade() -> None:
    """Keep the function: it does the same as the one of revision 0005."""
