"""An aggregate over arrays of ids: in one answer, what each record shows is handed up to the one it hangs on.

`array_agg` takes arrays of equal length only. States are short: a page has at most 200 records.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create aggregate uuids(uuid[]) (sfunc = array_cat, stype = uuid[])")


def downgrade() -> None:
    op.execute("drop aggregate uuids(uuid[])")
