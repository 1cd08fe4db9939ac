"""Hand over the referrals of a pupil who moved: what a school asks, and the requests to schools that know the pupil.

The asking school's context shows what it asked, and no request. The school that is asked sees its own requests and the
statement that they are about. What continues a referral is not counted as a new one of its month.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"
OWN = f"school_id = any({KEYS})"
RULE = (
    f"{AREA} and case {REACH} when 'area' then true when 'worker' then true when 'school' then {{own}} else false end"
)
PUT_TO_IT = (
    "exists (select from handover_request q where q.area_id = handover_statement.area_id"
    f" and q.statement_id = handover_statement.id and q.school_id = any({KEYS}))"
)
POLICIES = {
    "handover": RULE.format(own=OWN),
    "handover_request": RULE.format(own=OWN),
    "handover_statement": RULE.format(own=f"({OWN} or {PUT_TO_IT})"),
}

# Whoever is linked anew may agree anew with what is asked.
ADD_WORK = """
    create or replace function add_person_work(the_area uuid, the_pupil uuid) returns void language sql as $$
        insert into pending_work (area_id, id, kind, subject_id, due_at, attempts)
        select the_area, gen_random_uuid(), each, the_pupil, now(), 0 from unnest({kinds}) each
    $$
"""
# Not in SQL, which the planner would make part of every read. The caller's own row-level security holds inside.
OTHER_REFERRAL = """
    create function {name}(the_area uuid, the_referral uuid) returns json language plpgsql stable as $$
    begin
        return (
            select json_build_object('id', r.id, 'code', r.code) from referral r
            where r.area_id = the_area and r.{column} = the_referral
        );
    end
    $$
"""
OTHERS = {"continued_referral": "id", "continuing_referral": "continues_id"}
MONTH = "date_trunc('month', {row}.submitted_at at time zone 'Europe/London')::date"
COUNT_SUBMITTED = """
    create or replace function count_submitted() returns trigger language plpgsql as $$
    begin
        perform count_referrals(s.area_id, s.month, s.cluster_id, s.referrals) from (
            select n.area_id, {month} as month, n.cluster_id, count(*) as referrals
            from submitted n {where}group by 1, 2, 3) s;
        return null;
    end
    $$
"""
COUNT_MOVED = """
    create trigger count_moved after update of area_id, submitted_at, cluster_id on referral for each row
    when ({when}(old.area_id, {old}, old.cluster_id) is distinct from (new.area_id, {new}, new.cluster_id))
    execute function count_moved()
"""


def upgrade() -> None:
    op.add_column("referral", sa.Column("continues_id", sa.Uuid(), nullable=True))
    op.add_column("referral", sa.Column("continued_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key("referral_continues", "referral", "referral", ["area_id", "continues_id"], ["area_id", "id"])
    op.create_index(
        "referral_by_continued",
        "referral",
        ["area_id", "continues_id"],
        unique=True,
        postgresql_where=sa.text("continues_id is not null"),
    )
    _count(where="where n.continues_id is null ", when="new.continues_id is null and ")
    _add_tables()
    for table, rule in POLICIES.items():
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy within_reach on {table} using ({rule}) with check ({rule})")
    op.execute(ADD_WORK.format(kinds="array['person_links', 'handover_requests']"))
    for name, column in OTHERS.items():
        op.execute(OTHER_REFERRAL.format(name=name, column=column))


def _count(where: str, when: str) -> None:
    op.execute(COUNT_SUBMITTED.format(month=MONTH.format(row="n"), where=where))
    op.execute("drop trigger count_moved on referral")
    op.execute(COUNT_MOVED.format(when=when, old=MONTH.format(row="old"), new=MONTH.format(row="new")))


def _key(*columns: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("area_id", "id"),
        *(sa.Column(column, sa.Uuid(), nullable=False) for column in columns),
    ]


def _points_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["area_id", column], [f"{table}.area_id", f"{table}.id"])


def _sealed(*names: str) -> list[sa.schema.SchemaItem]:
    return [sa.Column(name, sa.LargeBinary(), nullable=True) for name in names]


def _text(*names: str, nullable: bool = False) -> list[sa.schema.SchemaItem]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _times(*names: str, nullable: bool = False) -> list[sa.schema.SchemaItem]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=nullable) for name in names]


def _add_tables() -> None:
    op.create_table(
        "handover_statement",
        *_key("school_id"),
        *_text("upn", "temporary_upn", "nhs_number", "given_name", "family_name", nullable=True),
        sa.Column("date_of_birth", sa.Date(), nullable=True),
        *_text("sen_provision"),
        *_text("home_la_code", "parent_name", "parent_telephone", "parent_email", nullable=True),
        *_text("interpreter_language", nullable=True),
        sa.Column("same_as_id", sa.Uuid(), nullable=True),
        sa.Column("not_the_same_as_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        *_sealed("upn_hash", "temporary_upn_hash", "nhs_number_hash", "date_of_birth_hash"),
        *_sealed("sealed_identity", "sealed_upn", "sealed_nhs_number"),
        _points_to("school", "school_id"),
        sa.CheckConstraint("\"sen_provision\" in ('E', 'K', 'N')", name="sen_provision_is_known"),
    )
    op.create_table(
        "handover",
        *_key("school_id", "statement_id"),
        *_text("code", "status", "client_id", "organisation"),
        *_text("reason", nullable=True),
        *_times("asked_at", "lapses_at"),
        *_times("completed_at", nullable=True),
        sa.Column("referrals", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *_sealed("sealed_identity"),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"]),
        _points_to("school", "school_id"),
        _points_to("handover_statement", "statement_id"),
        sa.UniqueConstraint("area_id", "code"),
        sa.CheckConstraint("\"status\" in ('asked', 'completed', 'withdrawn')", name="status_is_known"),
    )
    op.create_index("handover_by_time", "handover", ["area_id", "asked_at", "id"])
    op.create_index("handover_by_school", "handover", ["area_id", "school_id", "asked_at", "id"])
    op.create_index(
        "handover_asked", "handover", ["area_id", "lapses_at"], postgresql_where=sa.text("status = 'asked'")
    )
    op.create_table(
        "handover_request",
        *_key("handover_id", "statement_id", "asking_school_id", "school_id", "pupil_id"),
        *_text("handover_code", "status"),
        *_times("asked_at", "lapses_at"),
        *_text("decision", "reason", "organisation", nullable=True),
        *_times("decided_at", nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        *_sealed("sealed_identity"),
        _points_to("handover", "handover_id"),
        _points_to("handover_statement", "statement_id"),
        _points_to("school", "school_id"),
        _points_to("pupil", "pupil_id"),
        sa.UniqueConstraint("area_id", "handover_id", "pupil_id"),
        sa.CheckConstraint("\"status\" in ('open', 'refused', 'completed', 'ended')", name="status_is_known"),
        sa.CheckConstraint("\"decision\" in ('complete', 'refuse')", name="decision_is_known"),
    )
    op.create_index("request_by_time", "handover_request", ["area_id", "asked_at", "id"])
    op.create_index("request_by_school", "handover_request", ["area_id", "school_id", "asked_at", "id"])
    op.create_index("request_by_pupil", "handover_request", ["area_id", "pupil_id"])
    op.create_index("request_by_statement", "handover_request", ["area_id", "statement_id", "school_id"])


def downgrade() -> None:
    """Drop what was asked. Refuse where referrals were handed over: no earlier version knows their state."""
    op.execute("alter table referral no force row level security")
    op.execute(
        "do $$ begin if exists (select from referral where continues_id is not null) then raise exception"
        " 'Referrals were handed over. Restore a backup of before.'; end if; end $$"
    )
    op.execute("alter table referral force row level security")
    op.execute(ADD_WORK.format(kinds="array['person_links']"))
    op.execute("alter table pending_work no force row level security")
    op.execute("delete from pending_work where kind = 'handover_requests'")
    op.execute("alter table pending_work force row level security")
    for name in OTHERS:
        op.execute(f"drop function {name}")
    op.execute("drop policy within_reach on handover_statement")
    for table in ("handover_request", "handover", "handover_statement"):
        op.drop_table(table)
    _count(where="", when="")
    op.drop_index("referral_by_continued", table_name="referral")
    op.drop_constraint("referral_continues", "referral")
    op.drop_column("referral", "continued_at")
    op.drop_column("referral", "continues_id")
