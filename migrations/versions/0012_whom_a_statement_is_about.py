"""Keep whom a statement is about in the statement, so that a correction can take it back.

`same_as` stood with the referral, and `not_the_same_as` was not kept. What the earlier statements of a referral said
is that of the referral, which never changed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("pupil_statement", "referral", "school")


def _let_the_owner_see() -> None:
    # The owner, too, sees no row under forced row-level security, nor does the check of a new foreign key.
    for table in TABLES:
        op.execute(f"alter table {table} no force row level security")


def _hide_again() -> None:
    for table in TABLES:
        op.execute(f"alter table {table} force row level security")


def upgrade() -> None:
    _let_the_owner_see()
    op.add_column("pupil_statement", sa.Column("same_as_id", sa.Uuid(), nullable=True))
    op.add_column("pupil_statement", sa.Column("not_the_same_as_ids", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.execute("alter table pupil_statement disable trigger keep_statement")
    op.execute(
        """
        update pupil_statement s set same_as_id = r.same_as_id from referral r
        where r.area_id = s.area_id and r.id = s.referral_id and r.same_as_id is not null
        """
    )
    op.execute("alter table pupil_statement enable trigger keep_statement")
    # Checks that are deferred would hold up the changes of the tables below.
    op.execute("set constraints all immediate")
    op.create_foreign_key(None, "pupil_statement", "referral", ["area_id", "same_as_id"], ["area_id", "id"])
    op.drop_column("referral", "same_as_id")
    _hide_again()


def downgrade() -> None:
    """Keep whom the statements in force are the same as; whom they are not the same as was not kept before."""
    _let_the_owner_see()
    op.add_column("referral", sa.Column("same_as_id", sa.Uuid(), nullable=True))
    op.execute(
        """
        update referral r set same_as_id = s.same_as_id from pupil_statement s
        where s.area_id = r.area_id and s.id = r.statement_id and s.same_as_id is not null
        """
    )
    op.execute("set constraints all immediate")
    op.create_foreign_key(None, "referral", "referral", ["area_id", "same_as_id"], ["area_id", "id"])
    op.drop_column("pupil_statement", "same_as_id")
    op.drop_column("pupil_statement", "not_the_same_as_ids")
    _hide_again()
