"""The tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "area",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gss_code", sa.Text(), nullable=True),
        sa.Column("icb_name", sa.Text(), nullable=True),
        sa.Column("icb_ods_code", sa.Text(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("la_code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("area_id"),
        sa.UniqueConstraint("la_code"),
    )
    op.create_table(
        "audit_event",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("organisation", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("agreement", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("records", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("subjects", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_table(
        "audit_mention",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("area_id", "about_id", "since"),
    )
    # Ids do not compress, and trying costs more than the row, so a page of ids stays in the row.
    op.execute(
        "alter table audit_event alter column records set storage external, alter column subjects set storage external"
    )
    op.execute("alter table audit_event set (toast_tuple_target = 8160)")
    op.create_index("event_by_client", "audit_event", ["area_id", "client_id", "at", "id"], unique=False)
    op.create_index("event_by_time", "audit_event", ["area_id", "at", "id"], unique=False)
    op.create_table(
        "idempotency_record",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=True),
        sa.Column("records", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("subjects", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.PrimaryKeyConstraint("client_id", "method", "path", "key"),
    )
    op.create_index("idempotency_by_age", "idempotency_record", ["created_at"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "\"kind\" in ('school', 'health', 'provider', 'cluster', 'local_authority', 'oversight', 'operator')",
            name="kind_is_known",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "pathway",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("initial", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("states", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("transitions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("next_states", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("\"kind\" in ('referral', 'recommendation')", name="kind_is_known"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("code", "version"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "spent_assertion",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti"),
    )
    op.create_table(
        "benchmark",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("indicator", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("geography", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.CheckConstraint("\"unit\" in ('percent', 'count', 'gbp', 'per_100_pupils')", name="unit_is_known"),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "indicator", "phase", "period", "geography"),
    )
    op.create_table(
        "cluster",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("development", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"development\" in ('pilot', 'expansion', 'establishment', 'maturity')", name="development_is_known"
        ),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "code"),
    )
    op.create_table(
        "data_sharing_agreement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.CheckConstraint("ends_on >= starts_on", name="ends_after_it_starts"),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "organisation_id", name="data_sharing_agreement_of_organisation"),
        sa.UniqueConstraint("reference"),
    )
    op.create_index(
        op.f("ix_data_sharing_agreement_organisation_id"), "data_sharing_agreement", ["organisation_id"], unique=False
    )
    op.create_table(
        "network",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("integrated_care_area", sa.Text(), nullable=False),
        sa.Column("is_pcn", sa.Boolean(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "number"),
    )
    op.create_table(
        "provider",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ods_code", sa.Text(), nullable=True),
        sa.Column("ukprn", sa.Text(), nullable=True),
        sa.Column("company_number", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"kind\" in ('nhs', 'la_team', 'third_sector', 'alternative_provision', 'independent')",
            name="kind_is_known",
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "name"),
        sa.UniqueConstraint("area_id", "ods_code"),
    )
    op.create_table(
        "pupil",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_table(
        "school",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("urn", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ukprn", sa.Text(), nullable=True),
        sa.Column("laestab", sa.Text(), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"phase\" in ('nursery', 'primary', 'middle_deemed_primary', 'middle_deemed_secondary', 'secondary', 'all_through', 'sixteen_plus', 'not_applicable')",
            name="phase_is_known",
        ),
        sa.CheckConstraint("\"status\" in ('proposed', 'open', 'closed')", name="status_is_known"),
        sa.CheckConstraint(
            "closed_on is null or opened_on is null or closed_on > opened_on", name="closed_on_after_opened_on"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "successor_id"],
            ["school.area_id", "school.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "urn"),
    )
    op.create_table(
        "client",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("audience_flag", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("client_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$'", name="client_id_is_plain"),
        sa.CheckConstraint(
            "\"role\" in ('school_mis', 'health_system', 'provider_portal', 'cluster_lead', 'commissioner', 'finance', 'board', 'auditor', 'operator')",
            name="role_is_known",
        ),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash_is_sha256"),
        sa.ForeignKeyConstraint(
            ["agreement_id", "organisation_id"],
            ["data_sharing_agreement.id", "data_sharing_agreement.organisation_id"],
            name="client_agreement_is_its_organisations",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
        ),
        sa.PrimaryKeyConstraint("client_id"),
    )
    op.create_index(op.f("ix_client_agreement_id"), "client", ["agreement_id"], unique=False)
    op.create_index(op.f("ix_client_organisation_id"), "client", ["organisation_id"], unique=False)
    op.create_table(
        "cluster_membership",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "school_id"],
            ["school.area_id", "school.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("membership_by_cluster", "cluster_membership", ["area_id", "cluster_id", "school_id"], unique=False)
    op.create_index("membership_by_school", "cluster_membership", ["area_id", "school_id"], unique=False)
    op.create_index(
        "one_open_membership",
        "cluster_membership",
        ["area_id", "school_id"],
        unique=True,
        postgresql_where=sa.text("valid_to is null"),
    )
    op.create_table(
        "cluster_role",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"role\" in ('lead_headteacher', 'lead_senco', 'board_chair', 'board_member', 'finance_lead')",
            name="role_is_known",
        ),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "school_id"],
            ["school.area_id", "school.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("role_by_cluster", "cluster_role", ["area_id", "cluster_id"], unique=False)
    op.create_table(
        "cluster_succession",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("predecessor_id", sa.Uuid(), nullable=False),
        sa.Column("successor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=False),
        sa.CheckConstraint("\"kind\" in ('merge', 'split')", name="kind_is_known"),
        sa.ForeignKeyConstraint(
            ["area_id", "predecessor_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "successor_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "predecessor_id", "successor_id"),
    )
    op.create_table(
        "commissioned_service",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area_of_need", sa.Text(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("delivery_mode", sa.Text(), nullable=True),
        sa.Column("setting", sa.Text(), nullable=True),
        sa.Column("eligibility", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("capacity_confirmed_on", sa.Date(), nullable=True),
        sa.Column("promotion_evidence", sa.Text(), nullable=True),
        sa.Column("promoted_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"area_of_need\" in ('SEMH', 'C&I', 'C&L', 'P&S', 'Other', 'Enabling')", name="area_of_need_is_known"
        ),
        sa.CheckConstraint("\"audience\" in ('pupils', 'parents', 'staff', 'schools')", name="audience_is_known"),
        sa.CheckConstraint(
            "\"delivery_mode\" in ('in_school', 'cluster_wide', 'remote', 'telephone')", name="delivery_mode_is_known"
        ),
        sa.CheckConstraint("\"evidence\" in ('emerging', 'promising', 'good', 'robust')", name="evidence_is_known"),
        sa.CheckConstraint("\"level\" in ('universal', 'targeted')", name="level_is_known"),
        sa.CheckConstraint("\"offer\" in ('core', 'local')", name="offer_is_known"),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "provider_id"],
            ["provider.area_id", "provider.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "code"),
        sa.UniqueConstraint("area_id", "id", "provider_id"),
    )
    op.create_index("service_by_provider", "commissioned_service", ["area_id", "provider_id"], unique=False)
    op.create_table(
        "practice",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("network_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "network_id"],
            ["network.area_id", "network.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "network_id", "name"),
    )
    op.create_table(
        "client_grant",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind <> 'area' or key = area_id", name="an_area_is_its_own_key"),
        sa.CheckConstraint("\"kind\" in ('area', 'cluster', 'school', 'provider')", name="kind_is_known"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["client.client_id"],
        ),
        sa.PrimaryKeyConstraint("client_id", "kind", "area_id", "key"),
    )
    op.create_table(
        "client_key",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("alg", sa.Text(), nullable=False),
        sa.Column("public_jwk", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("\"alg\" in ('ES256', 'ES384', 'PS256', 'RS384', 'RS512')", name="alg_is_known"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["client.client_id"],
        ),
        sa.PrimaryKeyConstraint("client_id", "kid"),
    )
    op.create_table(
        "referral",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pathway", sa.Text(), nullable=False),
        sa.Column("pathway_version", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=True),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=True),
        sa.Column("group_size", sa.Integer(), nullable=True),
        sa.Column("group_year_groups", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("group_description", sa.Text(), nullable=True),
        sa.Column("consent_basis", sa.Text(), nullable=True),
        sa.Column("consent_given_by", sa.Text(), nullable=True),
        sa.Column("consent_on", sa.Date(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_seconds", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("(subject_kind = 'group') = (group_size is not null)", name="group_when_about_one"),
        sa.CheckConstraint("(subject_kind = 'pupil') = (pupil_id is not null)", name="pupil_when_about_one"),
        sa.CheckConstraint(
            "\"consent_basis\" in ('consent', 'informed', 'safeguarding')", name="consent_basis_is_known"
        ),
        sa.CheckConstraint(
            "\"consent_given_by\" in ('parent_or_carer', 'young_person')", name="consent_given_by_is_known"
        ),
        sa.CheckConstraint(
            "\"need\" in ('SPLD', 'MLD', 'SLD', 'PMLD', 'SEMH', 'SLCN', 'HI', 'VI', 'MSI', 'PD', 'ASD', 'DS', 'OTH', 'NSA')",
            name="need_is_known",
        ),
        sa.CheckConstraint("\"priority\" in ('routine', 'soon', 'urgent')", name="priority_is_known"),
        sa.CheckConstraint("\"subject_kind\" in ('pupil', 'group', 'school')", name="subject_kind_is_known"),
        sa.CheckConstraint("started_at is null or started_at >= submitted_at", name="started_after_submitted"),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "pupil_id"],
            ["pupil.area_id", "pupil.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "school_id"],
            ["school.area_id", "school.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "service_id", "provider_id"],
            ["commissioned_service.area_id", "commissioned_service.id", "commissioned_service.provider_id"],
            onupdate="cascade",
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.ForeignKeyConstraint(
            ["pathway", "pathway_version"],
            ["pathway.code", "pathway.version"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "code"),
        sa.UniqueConstraint("area_id", "id", "school_id", "provider_id"),
    )
    op.create_index(
        "one_open_referral",
        "referral",
        ["area_id", "service_id", "pupil_id"],
        unique=True,
        postgresql_where=sa.text("ended_at is null and pupil_id is not null"),
    )
    op.create_index("referral_by_cluster", "referral", ["area_id", "cluster_id", "submitted_at", "id"], unique=False)
    op.create_index("referral_by_provider", "referral", ["area_id", "provider_id", "submitted_at", "id"], unique=False)
    op.create_index("referral_by_pupil", "referral", ["area_id", "pupil_id"], unique=False)
    op.create_index("referral_by_school", "referral", ["area_id", "school_id", "submitted_at", "id"], unique=False)
    op.create_index("referral_by_service", "referral", ["area_id", "service_id", "submitted_at", "id"], unique=False)
    op.create_index("referral_by_time", "referral", ["area_id", "submitted_at", "id"], unique=False)
    op.create_index(
        "referral_open",
        "referral",
        ["area_id", "service_id"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "referral_month",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=True),
        sa.Column("referrals", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("count_by_month", "referral_month", ["area_id", "month", "cluster_id"], unique=False)
    op.create_table(
        "service_cluster",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "service_id"],
            ["commissioned_service.area_id", "commissioned_service.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index(
        "one_open_purchase",
        "service_cluster",
        ["area_id", "service_id", "cluster_id"],
        unique=True,
        postgresql_where=sa.text("valid_to is null"),
    )
    op.create_index("purchase_by_service", "service_cluster", ["area_id", "service_id"], unique=False)
    op.create_index("service_by_cluster", "service_cluster", ["area_id", "cluster_id"], unique=False)
    op.create_table(
        "sla",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("terms_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("\"cadence\" in ('monthly', 'quarterly', 'termly', 'yearly')", name="cadence_is_known"),
        sa.CheckConstraint("\"status\" in ('draft', 'agreed', 'active', 'ended')", name="status_is_known"),
        sa.CheckConstraint("ends_on >= starts_on", name="ends_on_after_starts_on"),
        sa.ForeignKeyConstraint(
            ["area_id", "provider_id"],
            ["provider.area_id", "provider.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "service_id", "provider_id"],
            ["commissioned_service.area_id", "commissioned_service.id", "commissioned_service.provider_id"],
            onupdate="cascade",
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.area_id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "code"),
        sa.UniqueConstraint("area_id", "id", "provider_id"),
    )
    op.create_index("sla_by_provider", "sla", ["area_id", "provider_id", "id"], unique=False)
    op.create_table(
        "contact",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("setting", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("attendance", sa.Text(), nullable=False),
        sa.Column("staff_role", sa.Text(), nullable=False),
        sa.Column("group_size", sa.Integer(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"attendance\" in ('attended', 'did_not_attend', 'cancelled_by_family', 'cancelled_by_school', 'cancelled_by_service')",
            name="attendance_is_known",
        ),
        sa.CheckConstraint("\"mode\" in ('face_to_face', 'video', 'telephone')", name="mode_is_known"),
        sa.CheckConstraint(
            "\"setting\" in ('school', 'clinic', 'home', 'community', 'remote')", name="setting_is_known"
        ),
        sa.CheckConstraint(
            "\"staff_role\" in ('speech_and_language_therapist', 'occupational_therapist', 'educational_psychologist', 'specialist_teacher', 'mental_health_practitioner', 'youth_worker', 'family_support_worker', 'trainer', 'assistant')",
            name="staff_role_is_known",
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("contact_by_provider", "contact", ["area_id", "provider_id", "on", "id"], unique=False)
    op.create_index("contact_by_referral", "contact", ["area_id", "referral_id", "on", "id"], unique=False)
    op.create_index("contact_by_school", "contact", ["area_id", "school_id", "on", "id"], unique=False)
    op.create_index("contact_by_time", "contact", ["area_id", "on", "id"], unique=False)
    op.create_index(
        "contact_reference",
        "contact",
        ["area_id", "organisation_id", "reference"],
        unique=True,
        postgresql_where=sa.text("reference is not null"),
    )
    op.create_table(
        "impact_return",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("pupils", sa.Integer(), nullable=False),
        sa.Column("schools", sa.Integer(), nullable=False),
        sa.Column("cost_pence", sa.BigInteger(), nullable=False),
        sa.Column("narrative", sa.Text(), nullable=True),
        sa.Column("sla_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("terms_number", sa.Integer(), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("\"status\" in ('submitted', 'validated', 'accepted', 'returned')", name="status_is_known"),
        sa.CheckConstraint("period_to >= period_from", name="period_to_after_from"),
        sa.ForeignKeyConstraint(
            ["area_id", "sla_id", "provider_id"], ["sla.area_id", "sla.id", "sla.provider_id"], onupdate="cascade"
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
        sa.UniqueConstraint("area_id", "id", "provider_id"),
    )
    op.create_index(
        "return_by_provider", "impact_return", ["area_id", "provider_id", "submitted_at", "id"], unique=False
    )
    op.create_index("return_by_sla", "impact_return", ["area_id", "sla_id", "period_from"], unique=False)
    op.create_index("return_by_time", "impact_return", ["area_id", "submitted_at", "id"], unique=False)
    op.create_table(
        "outcome",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("baseline_on", sa.Date(), nullable=False),
        sa.Column("baseline_value", sa.Float(), nullable=False),
        sa.Column("later_on", sa.Date(), nullable=True),
        sa.Column("later_value", sa.Float(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "\"instrument\" in ('TOMs', 'Boxall', 'PIVATS', 'goal_based', 'attendance', 'SDQ', 'other')",
            name="instrument_is_known",
        ),
        sa.CheckConstraint("(later_on is null) = (later_value is null)", name="later_is_whole"),
        sa.CheckConstraint("later_on >= baseline_on", name="later_on_after_baseline"),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("outcome_by_provider", "outcome", ["area_id", "provider_id", "recorded_at", "id"], unique=False)
    op.create_index("outcome_by_referral", "outcome", ["area_id", "referral_id", "recorded_at", "id"], unique=False)
    op.create_index("outcome_by_school", "outcome", ["area_id", "school_id", "recorded_at", "id"], unique=False)
    op.create_index("outcome_by_time", "outcome", ["area_id", "recorded_at", "id"], unique=False)
    op.create_table(
        "pupil_identity",
        sa.Column("upn", sa.Text(), nullable=True),
        sa.Column("nhs_number", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("date_of_birth", sa.Date(), nullable=False),
        sa.Column("home_la_code", sa.Text(), nullable=True),
        sa.Column("parent_name", sa.Text(), nullable=True),
        sa.Column("parent_telephone", sa.Text(), nullable=True),
        sa.Column("parent_email", sa.Text(), nullable=True),
        sa.Column("interpreter_language", sa.Text(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("sen_provision", sa.Text(), nullable=False),
        sa.CheckConstraint("\"sen_provision\" in ('E', 'K', 'N')", name="sen_provision_is_known"),
        sa.ForeignKeyConstraint(
            ["area_id", "pupil_id"],
            ["pupil.area_id", "pupil.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "referral_id"),
    )
    op.create_index("identity_by_nhs_number", "pupil_identity", ["area_id", "nhs_number"], unique=False)
    op.create_index("identity_by_pupil", "pupil_identity", ["area_id", "pupil_id"], unique=False)
    op.create_index("identity_by_upn", "pupil_identity", ["area_id", "upn"], unique=False)
    op.create_table(
        "referral_transition",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("transition_by_referral", "referral_transition", ["area_id", "referral_id", "id"], unique=False)
    op.create_table(
        "sla_cluster",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("sla_id", sa.Uuid(), nullable=False),
        sa.Column("cluster_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "cluster_id"],
            ["cluster.area_id", "cluster.id"],
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "sla_id"],
            ["sla.area_id", "sla.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "sla_id", "cluster_id"),
    )
    op.create_table(
        "sla_kpi",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Float(), nullable=False),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("sla_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kpi", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("\"direction\" in ('at_least', 'at_most')", name="direction_is_known"),
        sa.CheckConstraint("\"unit\" in ('percent', 'count')", name="unit_is_known"),
        sa.ForeignKeyConstraint(
            ["area_id", "sla_id"],
            ["sla.area_id", "sla.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "sla_id", "number", "kpi"),
    )
    op.create_table(
        "sla_terms",
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("pupils", sa.Integer(), nullable=False),
        sa.Column("schools", sa.Integer(), nullable=False),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("sla_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("price_pence", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "valid_to is null or valid_from is null or valid_to > valid_from", name="valid_to_after_valid_from"
        ),
        sa.ForeignKeyConstraint(
            ["area_id", "sla_id"],
            ["sla.area_id", "sla.id"],
        ),
        sa.PrimaryKeyConstraint("area_id", "sla_id", "number"),
    )
    op.create_table(
        "sla_transition",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sla_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "sla_id", "provider_id"],
            ["sla.area_id", "sla.id", "sla.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("sla_transition_by_sla", "sla_transition", ["area_id", "sla_id", "id"], unique=False)
    op.create_table(
        "impact_return_measure",
        sa.Column("numerator", sa.Integer(), nullable=False),
        sa.Column("denominator", sa.Integer(), nullable=False),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("impact_return_id", sa.Uuid(), nullable=False),
        sa.Column("kpi", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("numerator <= denominator", name="numerator_within_denominator"),
        sa.ForeignKeyConstraint(
            ["area_id", "impact_return_id", "provider_id"],
            ["impact_return.area_id", "impact_return.id", "impact_return.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "impact_return_id", "kpi"),
    )
    op.create_table(
        "impact_return_transition",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("impact_return_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "impact_return_id", "provider_id"],
            ["impact_return.area_id", "impact_return.id", "impact_return.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index(
        "return_transition_by_return", "impact_return_transition", ["area_id", "impact_return_id", "id"], unique=False
    )
    # The schools of a cluster by date, as one view to page through. It has the caller's rights (security_invoker).
    op.execute(
        """
        create view cluster_school with (security_invoker = true) as
        select s.*, m.id as membership_id, m.cluster_id, m.valid_from, m.valid_to
        from cluster_membership m join school s on s.area_id = m.area_id and s.id = m.school_id
        """
    )


def downgrade() -> None:
    op.execute("drop view cluster_school")
    op.drop_index("return_transition_by_return", table_name="impact_return_transition")
    op.drop_table("impact_return_transition")
    op.drop_table("impact_return_measure")
    op.drop_index("sla_transition_by_sla", table_name="sla_transition")
    op.drop_table("sla_transition")
    op.drop_table("sla_terms")
    op.drop_table("sla_kpi")
    op.drop_table("sla_cluster")
    op.drop_index("transition_by_referral", table_name="referral_transition")
    op.drop_table("referral_transition")
    op.drop_index("identity_by_upn", table_name="pupil_identity")
    op.drop_index("identity_by_pupil", table_name="pupil_identity")
    op.drop_index("identity_by_nhs_number", table_name="pupil_identity")
    op.drop_table("pupil_identity")
    op.drop_index("outcome_by_time", table_name="outcome")
    op.drop_index("outcome_by_school", table_name="outcome")
    op.drop_index("outcome_by_referral", table_name="outcome")
    op.drop_index("outcome_by_provider", table_name="outcome")
    op.drop_table("outcome")
    op.drop_index("return_by_time", table_name="impact_return")
    op.drop_index("return_by_sla", table_name="impact_return")
    op.drop_index("return_by_provider", table_name="impact_return")
    op.drop_table("impact_return")
    op.drop_index("contact_reference", table_name="contact", postgresql_where=sa.text("reference is not null"))
    op.drop_index("contact_by_time", table_name="contact")
    op.drop_index("contact_by_school", table_name="contact")
    op.drop_index("contact_by_referral", table_name="contact")
    op.drop_index("contact_by_provider", table_name="contact")
    op.drop_table("contact")
    op.drop_index("sla_by_provider", table_name="sla")
    op.drop_table("sla")
    op.drop_index("service_by_cluster", table_name="service_cluster")
    op.drop_index("purchase_by_service", table_name="service_cluster")
    op.drop_index("one_open_purchase", table_name="service_cluster", postgresql_where=sa.text("valid_to is null"))
    op.drop_table("service_cluster")
    op.drop_index("count_by_month", table_name="referral_month")
    op.drop_table("referral_month")
    op.drop_index("referral_open", table_name="referral", postgresql_where=sa.text("ended_at is null"))
    op.drop_index("referral_by_time", table_name="referral")
    op.drop_index("referral_by_service", table_name="referral")
    op.drop_index("referral_by_school", table_name="referral")
    op.drop_index("referral_by_pupil", table_name="referral")
    op.drop_index("referral_by_provider", table_name="referral")
    op.drop_index("referral_by_cluster", table_name="referral")
    op.drop_index(
        "one_open_referral",
        table_name="referral",
        postgresql_where=sa.text("ended_at is null and pupil_id is not null"),
    )
    op.drop_table("referral")
    op.drop_table("client_key")
    op.drop_table("client_grant")
    op.drop_table("practice")
    op.drop_index("service_by_provider", table_name="commissioned_service")
    op.drop_table("commissioned_service")
    op.drop_table("cluster_succession")
    op.drop_index("role_by_cluster", table_name="cluster_role")
    op.drop_table("cluster_role")
    op.drop_index("one_open_membership", table_name="cluster_membership", postgresql_where=sa.text("valid_to is null"))
    op.drop_index("membership_by_school", table_name="cluster_membership")
    op.drop_index("membership_by_cluster", table_name="cluster_membership")
    op.drop_table("cluster_membership")
    op.drop_index(op.f("ix_client_organisation_id"), table_name="client")
    op.drop_index(op.f("ix_client_agreement_id"), table_name="client")
    op.drop_table("client")
    op.drop_table("school")
    op.drop_table("pupil")
    op.drop_table("provider")
    op.drop_table("network")
    op.drop_index(op.f("ix_data_sharing_agreement_organisation_id"), table_name="data_sharing_agreement")
    op.drop_table("data_sharing_agreement")
    op.drop_table("cluster")
    op.drop_table("benchmark")
    op.drop_table("spent_assertion")
    op.drop_table("pathway")
    op.drop_table("organisation")
    op.drop_index("idempotency_by_age", table_name="idempotency_record")
    op.drop_table("idempotency_record")
    op.drop_index("event_by_time", table_name="audit_event")
    op.drop_index("event_by_client", table_name="audit_event")
    op.drop_table("audit_mention")
    op.drop_table("audit_event")
    op.drop_table("area")
