"""Note with each decision to link what was stated of its pupils then: the link holds as long as all of it is stated.

Decisions of before get what is in force now. Keyed hashes alone are noted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLES = ("decided_pupil", "pupil_decision", "pupil", "pupil_statement", "referral", "traced_number")
NOTE = """
    update decided_pupil d set stated = coalesce((
        select array_agg(distinct v.hash order by v.hash)
        from pupil p
        cross join lateral (
            select unnest(array[s.upn_hash, s.temporary_upn_hash, s.nhs_number_hash, s.date_of_birth_hash]) as hash
            from pupil_statement s
            where s.area_id = p.area_id and s.pupil_id = coalesce(p.joined_to, p.id) and s.superseded_at is null
            union all
            select n.nhs_number_hash from referral r
            join traced_number n on n.area_id = r.area_id and n.referral_id = r.id and n.superseded_at is null
            where r.area_id = p.area_id and r.pupil_id = coalesce(p.joined_to, p.id)
        ) v
        where p.area_id = d.area_id and p.id = d.pupil_id and v.hash is not null
    ), '{}')
    from pupil_decision e
    where e.area_id = d.area_id and e.id = d.decision_id and e.decision = 'link'
"""


def upgrade() -> None:
    op.add_column("decided_pupil", sa.Column("stated", postgresql.ARRAY(sa.LargeBinary()), nullable=True))
    # The owner, too, sees no row under forced row-level security.
    for table in TABLES:
        op.execute(f"alter table {table} no force row level security")
    op.execute(NOTE)
    op.execute("update decided_pupil set stated = '{}' where stated is null")
    for table in TABLES:
        op.execute(f"alter table {table} force row level security")
    op.alter_column("decided_pupil", "stated", nullable=False)


def downgrade() -> None:
    op.drop_column("decided_pupil", "stated")
