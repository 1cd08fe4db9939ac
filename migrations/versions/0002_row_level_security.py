"""Force row-level security on every table that holds an area's rows.

The context is three settings that are local to a transaction: `convenor.areas` (the caller's areas), `convenor.reach`
(its row access to cases: area, cluster, school, provider or none) and `convenor.keys` (its schools, providers or
clusters). Policies read them in scalar sub-selects only, once for each statement. Without them, no row is visible.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"

CASE = (
    f"{AREA} and case {REACH} when 'area' then true when 'school' then school_id = any({KEYS})"
    f" when 'provider' then provider_id = any({KEYS}) else false end"
)
# A cluster lead sees the contracts that serve its clusters. Within an area, the clusters of an SLA are visible to all,
# because policies that refer to each other would recurse for ever.
CONTRACT = (
    f"{AREA} and case {REACH} when 'provider' then provider_id = any({KEYS})"
    f" when 'cluster' then exists (select from sla_cluster c where c.area_id = {{table}}.area_id"
    f" and c.sla_id = {{table}}.{{sla}} and c.cluster_id = any({KEYS}) and not c.withdrawn)"
    " when 'area' then true when 'none' then true else false end"
)
OF_RETURN = (
    f"{AREA} and case {REACH} when 'provider' then provider_id = any({KEYS})"
    " when 'school' then false else exists (select from impact_return r"
    " where r.area_id = {table}.area_id and r.id = {table}.impact_return_id) end"
)
OF_SLA = f"{AREA} and exists (select from sla s where s.area_id = {{table}}.area_id and s.id = {{table}}.sla_id)"

POLICIES = {
    **dict.fromkeys(
        [
            "area",
            "audit_event",
            "audit_mention",
            "benchmark",
            "cluster",
            "cluster_membership",
            "cluster_role",
            "cluster_succession",
            "commissioned_service",
            "network",
            "practice",
            "provider",
            "pupil",
            "referral_month",
            "school",
            "service_cluster",
            "sla_cluster",
        ],
        AREA,
    ),
    **dict.fromkeys(["contact", "outcome", "pupil_identity", "referral", "referral_transition"], CASE),
    "sla": CONTRACT.replace("{sla}", "id"),
    "impact_return": CONTRACT.replace("{sla}", "sla_id"),
    **dict.fromkeys(["impact_return_measure", "impact_return_transition"], OF_RETURN),
    **dict.fromkeys(["sla_kpi", "sla_terms", "sla_transition"], OF_SLA),
}


def upgrade() -> None:
    for table, rule in POLICIES.items():
        rule = rule.replace("{table}", table)
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy within_reach on {table} using ({rule}) with check ({rule})")


def downgrade() -> None:
    for table in POLICIES:
        op.execute(f"drop policy within_reach on {table}")
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"alter table {table} disable row level security")
