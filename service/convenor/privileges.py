"""List what the application's role may do with each table: migrations grant it, and the checks compare with it."""

from collections.abc import Mapping

APPEND_ONLY = ("audit_event", "audit_mention", "key_check")
READ_ONLY = (
    "alembic_version",
    "client",
    "client_grant",
    "client_key",
    "cluster_school",
    "current_pathway",
    "data_sharing_agreement",
    "demo",
    "organisation",
    "pathway",
)
SHORT_LIVED = ("idempotency_record", "pending_work", "person_link", "spent_assertion")
KEPT = (
    "area",
    "benchmark",
    "cluster",
    "cluster_membership",
    "cluster_role",
    "cluster_succession",
    "commissioned_service",
    "contact",
    "decided_pupil",
    "handover",
    "handover_request",
    "handover_statement",
    "impact_return",
    "impact_return_measure",
    "impact_return_transition",
    "network",
    "outcome",
    "practice",
    "provider",
    "pupil",
    "pupil_decision",
    "pupil_match",
    "pupil_statement",
    "referral",
    "referral_month",
    "referral_transition",
    "school",
    "service_cluster",
    "sla",
    "sla_cluster",
    "sla_kpi",
    "sla_terms",
    "sla_transition",
    "traced_number",
)
"""Records of the domain: the application adds and updates them, and deletes none."""

PRIVILEGES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(READ_ONLY, frozenset({"select"})),
    **dict.fromkeys(APPEND_ONLY, frozenset({"select", "insert"})),
    **dict.fromkeys(KEPT, frozenset({"select", "insert", "update"})),
    **dict.fromkeys(SHORT_LIVED, frozenset({"select", "insert", "update", "delete"})),
}
"""What the application's role may do with each table."""
