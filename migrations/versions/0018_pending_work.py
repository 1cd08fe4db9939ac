"""Keep what a change leaves to be done after its commit in a table, which a worker of the service drains.

A change adds work in its own context, which then does not show it: what is pending could tell of other schools.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
OF_WORKER = "(select current_setting('convenor.reach', true)) = 'worker'"


def upgrade() -> None:
    op.create_table(
        "pending_work",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"]),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("work_by_kind", "pending_work", ["kind", "area_id", "attempts", "due_at"])
    op.execute("alter table pending_work enable row level security")
    op.execute("alter table pending_work force row level security")
    op.execute(f"create policy within_reach on pending_work using ({OF_WORKER}) with check ({OF_WORKER} or {AREA})")


def downgrade() -> None:
    op.drop_table("pending_work")
