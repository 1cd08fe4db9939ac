"""Add triggers that maintain `referral_month`: referrals by the month (in Europe/London) of submission, and cluster.

A writer adds to any unlocked row of its month and cluster, or else inserts a row. No writer waits for another's commit,
so a bulk import does not block single referrals or another import. A month and cluster never has more rows than there
were simultaneous writers. (One row each would serialise all writers of a month; a table of single changes would need a
job that sums it.) Referrals are never deleted.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MONTH = "date_trunc('month', {row}.submitted_at at time zone 'Europe/London')::date"
OLD, NEW = MONTH.format(row="old"), MONTH.format(row="new")


def upgrade() -> None:
    op.execute(
        """
        create function count_referrals(the_area uuid, the_month date, the_cluster uuid, more bigint) returns void
        language plpgsql as $$
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
    op.execute(
        f"""
        create function count_submitted() returns trigger language plpgsql as $$
        begin
            perform count_referrals(s.area_id, s.month, s.cluster_id, s.referrals) from (
                select n.area_id, {MONTH.format(row="n")} as month, n.cluster_id, count(*) as referrals
                from submitted n group by 1, 2, 3) s;
            return null;
        end
        $$
        """
    )
    op.execute(
        """
        create trigger count_submitted after insert on referral referencing new table as submitted
        for each statement execute function count_submitted()
        """
    )
    # For each changed row, not for each statement: a statement's trigger would run at every step of a referral, but
    # month and cluster change only when a record is corrected.
    op.execute(
        f"""
        create function count_moved() returns trigger language plpgsql as $$
        begin
            perform count_referrals(old.area_id, {OLD}, old.cluster_id, -1);
            perform count_referrals(new.area_id, {NEW}, new.cluster_id, 1);
            return null;
        end
        $$
        """
    )
    op.execute(
        f"""
        create trigger count_moved after update of area_id, submitted_at, cluster_id on referral for each row
        when ((old.area_id, {OLD}, old.cluster_id) is distinct from (new.area_id, {NEW}, new.cluster_id))
        execute function count_moved()
        """
    )


def downgrade() -> None:
    op.execute("drop trigger count_moved on referral")
    op.execute("drop trigger count_submitted on referral")
    op.execute("drop function count_moved, count_submitted, count_referrals")
