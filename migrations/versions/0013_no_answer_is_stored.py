"""Keep no answer with an idempotency key, which would hold a pupil's identity, but the record that it showed.

Keys of answers without an address, such as those of steps, are dropped: a repeated step is refused by its version.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_record", sa.Column("resource", sa.Text(), nullable=True))
    op.add_column("idempotency_record", sa.Column("record_id", sa.Uuid(), nullable=True))
    op.add_column("idempotency_record", sa.Column("location", sa.Text(), nullable=True))
    op.execute("delete from idempotency_record where headers ->> 'Location' is null")
    op.execute(
        """
        update idempotency_record set location = headers ->> 'Location',
            resource = replace(split_part(headers ->> 'Location', '/', 3), '-', '_'),
            record_id = split_part(headers ->> 'Location', '/', 4)::uuid
        """
    )
    for column in ("headers", "body", "area_id", "records", "subjects"):
        op.drop_column("idempotency_record", column)


def downgrade() -> None:
    op.execute("delete from idempotency_record")
    for column in ("resource", "record_id", "location"):
        op.drop_column("idempotency_record", column)
    op.add_column("idempotency_record", sa.Column("headers", postgresql.JSONB(), nullable=True))
    op.add_column("idempotency_record", sa.Column("body", sa.LargeBinary(), nullable=True))
    op.add_column("idempotency_record", sa.Column("area_id", sa.Uuid(), nullable=True))
    op.add_column("idempotency_record", sa.Column("records", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.add_column("idempotency_record", sa.Column("subjects", postgresql.ARRAY(sa.Uuid()), nullable=True))
