"""Add the mark of a database that holds a demo.

An existing demo is marked without its seed and date, which were not stored. The ids of Wendshire's central team and
auditor identify it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "demo",
        sa.Column("id", sa.Boolean(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=True),
        sa.Column("as_at", sa.Date(), nullable=True),
        sa.CheckConstraint("id", name="one_demo"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(
        """
        insert into demo (id)
        select true from client where client_id in ('commissioner-wendshire', 'auditor-wendshire') having count(*) = 2
        """
    )


def downgrade() -> None:
    op.drop_table("demo")
