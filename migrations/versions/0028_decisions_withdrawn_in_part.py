"""Let a decision be withdrawn for some of its pupils, so that it goes on for the others."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Where a decision was withdrawn for some pupils, it was withdrawn; the others are to be decided about again.
WITHDRAW_WHOLE = """
    update pupil_decision e set withdrawn_at = d.withdrawn_at from decided_pupil d
    where d.area_id = e.area_id and d.decision_id = e.id and d.withdrawn_at is not null and e.withdrawn_at is null
"""


def upgrade() -> None:
    op.add_column("decided_pupil", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Withdraw as a whole what was withdrawn in part: a link that nobody may want any more is never restored."""
    for table in ("decided_pupil", "pupil_decision"):
        op.execute(f"alter table {table} no force row level security")
    op.execute(WITHDRAW_WHOLE)
    for table in ("decided_pupil", "pupil_decision"):
        op.execute(f"alter table {table} force row level security")
    op.drop_column("decided_pupil", "withdrawn_at")
