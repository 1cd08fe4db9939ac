"""Let the operator create areas and see which there are.

The operator's context names the area of the installation, which has no row and is no other client's.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

AREAS = "any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
INSTALLATION = "'00000000-0000-0000-0000-000000000000'::uuid"


def upgrade() -> None:
    rule = f"area_id = {AREAS} or {INSTALLATION} = {AREAS}"
    op.execute(f"alter policy within_reach on area using ({rule}) with check ({rule})")


def downgrade() -> None:
    rule = f"area_id = {AREAS}"
    op.execute(f"alter policy within_reach on area using ({rule}) with check ({rule})")
