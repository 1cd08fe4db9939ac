"""Let the NHS numbers that services trace link pupils, as what schools state does."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"
RULE = (
    f"{AREA} and case {REACH} when 'area' then true{{worker}} when 'provider' then provider_id = any({KEYS})"
    " else false end"
)

TRACED = """
    create function number_traced() returns trigger language plpgsql as $$
    begin
        perform add_person_work(r.area_id, r.pupil_id) from referral r
        where r.area_id = new.area_id and r.id = new.referral_id;
        return null;
    end
    $$
"""
TABLES = ("pending_work", "referral", "traced_number")


def upgrade() -> None:
    _show_to_worker(" when 'worker' then true")
    op.execute(TRACED)
    op.execute(
        "create trigger number_traced after insert or update of superseded_at on traced_number"
        " for each row execute function number_traced()"
    )
    # The owner, too, sees no number and adds no work under forced row-level security.
    for table in TABLES:
        op.execute(f"alter table {table} no force row level security")
    op.execute(
        "select add_person_work(r.area_id, r.pupil_id) from traced_number n"
        " join referral r on r.area_id = n.area_id and r.id = n.referral_id where n.superseded_at is null"
    )
    for table in TABLES:
        op.execute(f"alter table {table} force row level security")


def downgrade() -> None:
    op.execute("drop trigger number_traced on traced_number")
    op.execute("drop function number_traced")
    _show_to_worker("")


def _show_to_worker(worker: str) -> None:
    rule = RULE.format(worker=worker)
    op.execute(f"alter policy within_reach on traced_number using ({rule}) with check ({rule})")
