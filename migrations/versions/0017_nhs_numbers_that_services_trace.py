"""Keep the NHS numbers that services trace for their referrals, apart from what schools state.

No school reads the table: its policy knows providers and the area alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"
RULE = f"{AREA} and case {REACH} when 'area' then true when 'provider' then provider_id = any({KEYS}) else false end"


def upgrade() -> None:
    op.create_table(
        "traced_number",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("nhs_number", sa.Text(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    in_force = {"postgresql_where": sa.text("superseded_at is null")}
    op.create_index("traced_in_force", "traced_number", ["area_id", "referral_id"], unique=True, **in_force)
    op.create_index("traced_by_number", "traced_number", ["area_id", "nhs_number"], **in_force)
    op.create_index("traced_by_referral", "traced_number", ["area_id", "referral_id"])
    op.execute(
        "create trigger keep_statement before update on traced_number for each row execute function keep_statement()"
    )
    op.execute("alter table traced_number enable row level security")
    op.execute("alter table traced_number force row level security")
    op.execute(f"create policy within_reach on traced_number using ({RULE}) with check ({RULE})")


def downgrade() -> None:
    op.drop_table("traced_number")
