"""Let a service decline a referral with a reason from a closed list: it already has another referral of the child."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("referral_transition", sa.Column("reason_code", sa.Text()))
    op.create_check_constraint(
        "reason_code_is_known", "referral_transition", "\"reason_code\" in ('already_with_service')"
    )


def downgrade() -> None:
    op.drop_constraint("reason_code_is_known", "referral_transition")
    op.drop_column("referral_transition", "reason_code")
