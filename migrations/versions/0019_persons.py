"""Link the pupils of different organisations who are one child, after the commit and apart from their schools.

A trigger on the statements adds the pending work, in the transaction of the change. Links, matches and decisions are
visible to the worker and to whoever has access to the area's cases. A service sees the links of referrals that it holds;
a school's context shows none.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"

PUPIL = "case {reach} when 'area' then true{worker} when 'school' then school_id = any({keys}) else false end"
CASE = (
    "case {reach} when 'area' then true{worker} when 'school' then school_id = any({keys})"
    " when 'provider' then provider_id = any({keys}) else false end"
)
WORKER = " when 'worker' then true"
DERIVED = f"{AREA} and {REACH} in ('area', 'worker')"
LINK = f"{AREA} and case {REACH} when 'area' then true{WORKER} when 'provider' then provider_id = any({KEYS}) else false end"

ADD_WORK = """
    create function add_person_work(the_area uuid, the_pupil uuid) returns void language sql as $$
        insert into pending_work (area_id, id, kind, subject_id, due_at, attempts)
        values (the_area, gen_random_uuid(), 'person_links', the_pupil, now(), 0)
    $$
"""
STATED = """
    create function statement_made() returns trigger language plpgsql as $$
    begin
        perform add_person_work(n.area_id, n.pupil_id) from (select distinct area_id, pupil_id from stated) n;
        return null;
    end
    $$
"""
MOVED = """
    create function statement_moved() returns trigger language plpgsql as $$
    begin
        perform add_person_work(n.area_id, n.pupil_id)
        from (values (old.area_id, old.pupil_id) union values (new.area_id, new.pupil_id)) n(area_id, pupil_id);
        return null;
    end
    $$
"""

PERSON = """
            , person as (
                select n.id from present n
                union
                select o.pupil_id from present n
                join person_link l on l.area_id = the_area and l.pupil_id = n.id
                join person_link o on o.area_id = the_area and o.match_id = l.match_id and o.person_id = l.person_id
            )
"""
# The statements that were ever made of the pupil whom an organisation knows by an id (migration 0015), and the ids of the
# time before there were statements.
AUDITED_AS = """
    create or replace function audited_as(the_area uuid, the_pupil uuid, the_key bytea)
    returns table (id uuid) language plpgsql stable rows 10 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        if not exists (
            select from pupil p where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
        ) then
            the_pupil := (
                select p.id from pupil p, (
                    select distinct c.organisation_id from client c join client_grant g on g.client_id = c.client_id
                    where g.area_id = the_area
                ) o
                where p.area_id = the_area and pupil_id_for(the_key, o.organisation_id, p.id) = the_pupil
                limit 1
            );
        end if;
        return query
            with present as (
                select coalesce(p.joined_to, p.id) as id from pupil p
                where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
            ){person}
            select s.id from pupil_statement s
            where s.area_id = the_area and s.pupil_id in (select n.id from {asked} n)
            union
            select p.former_id from pupil p
            where p.area_id = the_area and p.former_id is not null
                and (p.id in (select n.id from {asked} n) or p.joined_to in (select n.id from {asked} n));
        perform set_config('convenor.reach', before, true);
    end
    $$
"""


def upgrade() -> None:
    op.create_table(
        "pupil_match",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("agree", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("differ", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("\"status\" in ('open', 'linked', 'kept_apart', 'ended')", name="status_is_known"),
        sa.ForeignKeyConstraint(["area_id"], ["area.area_id"]),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("match_by_time", "pupil_match", ["area_id", "found_at", "id"])
    op.create_table(
        "person_link",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("apart_from", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.ForeignKeyConstraint(["area_id", "pupil_id"], ["pupil.area_id", "pupil.id"]),
        sa.ForeignKeyConstraint(["area_id", "match_id"], ["pupil_match.area_id", "pupil_match.id"]),
        sa.PrimaryKeyConstraint("area_id", "referral_id"),
    )
    op.create_index("link_by_match", "person_link", ["area_id", "match_id"])
    op.create_index("link_by_pupil", "person_link", ["area_id", "pupil_id"])
    op.create_table(
        "pupil_decision",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("\"decision\" in ('link', 'keep_apart', 'unlink')", name="decision_is_known"),
        sa.ForeignKeyConstraint(["area_id", "match_id"], ["pupil_match.area_id", "pupil_match.id"]),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    op.create_index("decision_by_match", "pupil_decision", ["area_id", "match_id", "decided_at"])
    op.create_table(
        "decided_pupil",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["area_id", "decision_id"], ["pupil_decision.area_id", "pupil_decision.id"]),
        sa.ForeignKeyConstraint(["area_id", "pupil_id"], ["pupil.area_id", "pupil.id"]),
        sa.PrimaryKeyConstraint("area_id", "decision_id", "pupil_id"),
    )
    op.create_index("decided_by_pupil", "decided_pupil", ["area_id", "pupil_id"])
    _add_work()
    op.execute(AUDITED_AS.format(person=PERSON, asked="person"))
    _protect("person_link", LINK, DERIVED)
    for table in ("pupil_match", "pupil_decision", "decided_pupil"):
        _protect(table, DERIVED, DERIVED)
    _show_statements_to_worker(WORKER)


def _add_work() -> None:
    for function in (ADD_WORK, STATED, MOVED):
        op.execute(function)
    op.execute(
        "create trigger statement_made after insert on pupil_statement referencing new table as stated"
        " for each statement execute function statement_made()"
    )
    op.execute(
        "create trigger statement_moved after update of pupil_id, superseded_at on pupil_statement"
        " for each row execute function statement_moved()"
    )
    # The owner, too, sees no statement and adds no work under forced row-level security.
    for table in ("pending_work", "pupil_statement"):
        op.execute(f"alter table {table} no force row level security")
    op.execute(
        "select add_person_work(s.area_id, s.pupil_id) from pupil_statement s"
        " where s.superseded_at is null group by s.area_id, s.pupil_id"
    )
    for table in ("pending_work", "pupil_statement"):
        op.execute(f"alter table {table} force row level security")


def _protect(table: str, using: str, check: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy within_reach on {table} using ({using}) with check ({check})")


def _show_statements_to_worker(worker: str) -> None:
    for table, rule in (("pupil", PUPIL), ("pupil_statement", CASE), ("referral", CASE)):
        written = f"{AREA} and {rule.format(reach=REACH, keys=KEYS, worker=worker)}"
        op.execute(f"alter policy within_reach on {table} using ({written}) with check ({written})")


def downgrade() -> None:
    """Drop what was derived and decided: who is one person is derived anew, and decisions are lost."""
    _show_statements_to_worker("")
    op.execute(AUDITED_AS.format(person="", asked="present"))
    op.execute("drop trigger statement_made on pupil_statement")
    op.execute("drop trigger statement_moved on pupil_statement")
    op.execute("drop function statement_made, statement_moved, add_person_work")
    for table in ("decided_pupil", "pupil_decision", "person_link", "pupil_match"):
        op.drop_table(table)
