"""Narrow the policies of tables that were open to the whole area.

Events are written in the context of whoever caused them, and read with the audit's own row access alone. Counts of
referrals by month are small numbers before suppression: only the trigger that keeps them, and the query that suppresses
them, set the context `counts`.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
EVENTS = ("audit_event", "audit_mention")

COUNT_REFERRALS = """
    create or replace function count_referrals(the_area uuid, the_month date, the_cluster uuid, more bigint)
    returns void language plpgsql as $$
    {declare}
    begin
        {enter}
        update referral_month m set referrals = m.referrals + more
        where m.area_id = the_area and m.id = (
            select f.id from referral_month f
            where f.area_id = the_area and f.month = the_month and f.cluster_id is not distinct from the_cluster
            limit 1 for no key update skip locked);
        if not found then
            insert into referral_month (area_id, id, month, cluster_id, referrals)
            values (the_area, gen_random_uuid(), the_month, the_cluster, more);
        end if;
        {leave}
    end
    $$
"""


def upgrade() -> None:
    for table in EVENTS:
        op.execute(f"drop policy within_reach on {table}")
        op.execute(f"create policy read_by_the_audit on {table} for select using ({AREA} and {REACH} = 'audit')")
        op.execute(f"create policy written_for_the_area on {table} for insert with check ({AREA})")
    counts = f"{AREA} and {REACH} = 'counts'"
    op.execute("drop policy within_reach on referral_month")
    op.execute(f"create policy within_reach on referral_month using ({counts}) with check ({counts})")
    op.execute(
        COUNT_REFERRALS.format(
            declare="declare before text := coalesce(current_setting('convenor.reach', true), '');",
            enter="perform set_config('convenor.reach', 'counts', true);",
            leave="perform set_config('convenor.reach', before, true);",
        )
    )


def downgrade() -> None:
    op.execute(COUNT_REFERRALS.format(declare="", enter="", leave=""))
    op.execute("drop policy within_reach on referral_month")
    op.execute(f"create policy within_reach on referral_month using ({AREA}) with check ({AREA})")
    for table in EVENTS:
        op.execute(f"drop policy written_for_the_area on {table}")
        op.execute(f"drop policy read_by_the_audit on {table}")
        op.execute(f"create policy within_reach on {table} using ({AREA}) with check ({AREA})")
