"""Let a school's successor continue its cases: access follows the grants of the successor.

A client's schools are read where no context is set, so that a function reads the predecessors. A cached token needs no
notification: a successor is new, so that no client had a grant for it before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PREDECESSORS_OF = """
    create function predecessors_of(the_area uuid, the_school uuid)
    returns table (id uuid) language plpgsql stable rows 1 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.areas', true), '');
    begin
        perform set_config('convenor.areas', format('{%s}', the_area), true);
        return query
            with recursive earlier as (
                select s.id from school s where s.area_id = the_area and s.successor_id = the_school
                union
                select s.id from school s join earlier e on s.area_id = the_area and s.successor_id = e.id
            )
            select e.id from earlier e;
        perform set_config('convenor.areas', before, true);
    end
    $$
"""


def upgrade() -> None:
    op.create_index(
        "school_by_successor",
        "school",
        ["area_id", "successor_id"],
        postgresql_where=sa.text("successor_id is not null"),
    )
    op.execute(PREDECESSORS_OF)


def downgrade() -> None:
    op.execute("drop function predecessors_of")
    op.drop_index("school_by_successor", table_name="school")
