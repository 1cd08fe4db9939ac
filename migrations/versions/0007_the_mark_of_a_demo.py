"""The mark of a database that holds a demo, and which one.

A demo that is there already is marked without its seed and day, which nobody noted. The ids of the central team and of
the auditor of Wendshire show that it is one.
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
