"""Note with which keys of identities a database was written, so that a lost one is not made anew."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_check",
        sa.Column("id", sa.Boolean(), nullable=False),
        sa.Column("hash_key", sa.Text(), nullable=False),
        sa.Column("id_key", sa.Text(), nullable=False),
        sa.CheckConstraint("id", name="one_check"),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("key_check")
