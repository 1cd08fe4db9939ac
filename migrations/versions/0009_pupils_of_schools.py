"""Let each school have pupils of its own, and keep what it states of them as statements that never change.

A pupil of the area becomes one pupil for each school that has referred it. Events name the pupils of the time before,
so that each new pupil keeps that id as `former_id`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

AREA = "area_id = any((select nullif(current_setting('convenor.areas', true), '')::uuid[])::uuid[])"
REACH = "(select current_setting('convenor.reach', true))"
KEYS = "(select nullif(current_setting('convenor.keys', true), '')::uuid[])::uuid[]"

CASE = (
    f"{AREA} and case {REACH} when 'area' then true when 'school' then school_id = any({KEYS})"
    f" when 'provider' then provider_id = any({KEYS}) else false end"
)
PUPIL = f"{AREA} and case {REACH} when 'area' then true when 'school' then school_id = any({KEYS}) else false end"

STATED = (
    "upn, nhs_number, given_name, family_name, date_of_birth, home_la_code, parent_name, parent_telephone,"
    " parent_email, interpreter_language, sen_provision"
)
OPEN = "ended_at is null and pupil_id is not null"

MATCH_PUPIL = """
    create function match_pupil(the_area uuid, the_upn text, the_nhs_number text, born_on date)
    returns table (pupil_id uuid) language plpgsql stable as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        return query
            select i.pupil_id from pupil_identity i
            where i.area_id = the_area
                and (i.upn = the_upn or (i.nhs_number = the_nhs_number and i.date_of_birth = born_on))
            order by i.upn = the_upn desc nulls last, i.referral_id
            limit 1;
        perform set_config('convenor.reach', before, true);
    end
    $$
"""

# The ids by which events name a pupil: all statements that were ever made for referrals that are now the pupil's, and
# the ids of the time before. The auditor asks, whose role reads no case; nothing but ids leaves the function.
AUDITED_AS = """
    create function audited_as(the_area uuid, the_pupil uuid)
    returns table (id uuid) language plpgsql stable rows 10 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        return query
            with present as (
                select coalesce(p.joined_to, p.id) as id from pupil p
                where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
            )
            select s.id from pupil_statement s
            where s.area_id = the_area and s.pupil_id in (select n.id from present n)
            union
            select p.former_id from pupil p
            where p.area_id = the_area and p.former_id is not null
                and (p.id in (select n.id from present n) or p.joined_to in (select n.id from present n));
        perform set_config('convenor.reach', before, true);
    end
    $$
"""

KEEP_STATEMENT = """
    create function keep_statement() returns trigger language plpgsql as $$
    declare may_follow text[] := '{pupil_id, school_id, provider_id, superseded_at}';
    begin
        if to_jsonb(new) - may_follow is distinct from to_jsonb(old) - may_follow
            or (old.superseded_at is not null and new.superseded_at is distinct from old.superseded_at)
        then
            raise exception 'A statement about a pupil never changes. Make a new one that supersedes it.';
        end if;
        return new;
    end
    $$
"""


def upgrade() -> None:
    op.execute("drop function match_pupil")
    # The owner, too, sees no row under forced row-level security, nor does the check of a new foreign key.
    for table in ("pupil", "pupil_identity", "referral", "school"):
        op.execute(f"alter table {table} no force row level security")
    for column in ("school_id", "referral_id", "joined_to", "former_id"):
        op.add_column("pupil", sa.Column(column, sa.Uuid(), nullable=True))
    for column in ("statement_id", "same_as_id"):
        op.add_column("referral", sa.Column(column, sa.Uuid(), nullable=True))
    op.add_column("referral", sa.Column("collides_with", postgresql.ARRAY(sa.Text()), nullable=True))
    op.drop_index("one_open_referral", table_name="referral")
    op.create_table(
        "pupil_statement",
        sa.Column("upn", sa.Text(), nullable=True),
        sa.Column("nhs_number", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("date_of_birth", sa.Date(), nullable=False),
        sa.Column("home_la_code", sa.Text(), nullable=True),
        sa.Column("parent_name", sa.Text(), nullable=True),
        sa.Column("parent_telephone", sa.Text(), nullable=True),
        sa.Column("parent_email", sa.Text(), nullable=True),
        sa.Column("interpreter_language", sa.Text(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("temporary_upn", sa.Text(), nullable=True),
        sa.Column("sen_provision", sa.Text(), nullable=False),
        sa.CheckConstraint("\"sen_provision\" in ('E', 'K', 'N')", name="sen_provision_is_known"),
        sa.PrimaryKeyConstraint("area_id", "id"),
    )
    _move_to_schools()
    _constrain()
    op.execute(KEEP_STATEMENT)
    op.execute(
        "create trigger keep_statement before update on pupil_statement for each row execute function keep_statement()"
    )
    op.execute(AUDITED_AS)
    op.execute("drop policy within_reach on pupil")
    _protect("pupil", PUPIL)
    _protect("pupil_statement", CASE)
    for table in ("referral", "school"):
        op.execute(f"alter table {table} force row level security")


def _move_to_schools() -> None:
    op.execute(
        """
        insert into pupil (area_id, id, school_id, referral_id, former_id)
        select area_id, gen_random_uuid(), school_id, (array_agg(id order by submitted_at, id))[1], pupil_id
        from referral where pupil_id is not null group by area_id, school_id, pupil_id
        """
    )
    op.execute(
        """
        update referral r set pupil_id = p.id, statement_id = gen_random_uuid() from pupil p
        where p.area_id = r.area_id and p.school_id = r.school_id and p.former_id = r.pupil_id
        """
    )
    # The letter that ends a temporary UPN stands in the place of its last digit.
    op.execute(
        f"""
        insert into pupil_statement (area_id, id, referral_id, school_id, provider_id, pupil_id, stated_at,
            temporary_upn, {STATED})
        select r.area_id, r.statement_id, r.id, r.school_id, r.provider_id, r.pupil_id, r.submitted_at,
            case when i.upn ~ '[A-Z]$' then i.upn end,
            {STATED.replace("upn,", "case when i.upn !~ '[A-Z]$' then i.upn end,", 1)}
        from pupil_identity i join referral r on r.area_id = i.area_id and r.id = i.referral_id
        """
    )
    op.drop_table("pupil_identity")
    op.execute("delete from pupil where school_id is null")


def _constrain() -> None:
    op.alter_column("pupil", "school_id", nullable=False)
    op.alter_column("pupil", "referral_id", nullable=False)
    op.create_foreign_key(None, "pupil", "school", ["area_id", "school_id"], ["area_id", "id"])
    op.create_foreign_key(None, "pupil", "pupil", ["area_id", "joined_to"], ["area_id", "id"])
    deferred = {"deferrable": True, "initially": "deferred"}
    op.create_foreign_key(
        "pupil_referral", "pupil", "referral", ["area_id", "referral_id"], ["area_id", "id"], **deferred
    )
    op.create_foreign_key(
        "referral_statement",
        "referral",
        "pupil_statement",
        ["area_id", "statement_id"],
        ["area_id", "id"],
        **deferred,
    )
    op.create_foreign_key(None, "referral", "referral", ["area_id", "same_as_id"], ["area_id", "id"])
    op.create_foreign_key(None, "pupil_statement", "pupil", ["area_id", "pupil_id"], ["area_id", "id"])
    op.create_foreign_key(
        None,
        "pupil_statement",
        "referral",
        ["area_id", "referral_id", "school_id", "provider_id"],
        ["area_id", "id", "school_id", "provider_id"],
        onupdate="cascade",
    )
    op.create_check_constraint("statement_of_pupil", "referral", "(pupil_id is null) = (statement_id is null)")
    _index("pupil_by_referral", "pupil", ["referral_id"], unique=True)
    _index("pupil_by_joined", "pupil", ["joined_to"], where="joined_to is not null")
    _index("pupil_by_former", "pupil", ["former_id"], where="former_id is not null")
    in_force = "superseded_at is null"
    _index("statement_in_force", "pupil_statement", ["referral_id"], unique=True, where=in_force)
    _index("statement_by_upn", "pupil_statement", ["upn", "school_id"], where=in_force)
    _index("statement_by_temporary_upn", "pupil_statement", ["temporary_upn", "school_id"], where=in_force)
    _index("statement_by_nhs_number", "pupil_statement", ["nhs_number", "school_id"], where=in_force)
    _index("statement_by_birth", "pupil_statement", ["school_id", "date_of_birth"], where=in_force)
    _index("statement_by_pupil", "pupil_statement", ["pupil_id"])
    _index("statement_by_referral", "pupil_statement", ["referral_id"])
    one_open = f"{OPEN} and (collides_with is null or code < all (collides_with))"
    _index("one_open_referral", "referral", ["service_id", "pupil_id"], unique=True, where=one_open)


def _index(name: str, table: str, columns: list[str], *, unique: bool = False, where: str | None = None) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, ["area_id", *columns], unique=unique, postgresql_where=condition)


def _protect(table: str, rule: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy within_reach on {table} using ({rule}) with check ({rule})")


def downgrade() -> None:
    """Keep the pupils of schools as pupils of the area, each by itself: who was one child before is not known."""
    op.execute("drop function audited_as")
    for table in ("pupil", "pupil_statement", "referral"):
        op.execute(f"alter table {table} no force row level security")
    op.drop_index("one_open_referral", table_name="referral")
    # Without a collision, an open referral beside another one needs a pupil of its own.
    op.execute(
        """
        with parted as (
            update referral set pupil_id = gen_random_uuid()
            where ended_at is null and not code < all (collides_with)
            returning area_id, pupil_id, school_id, id
        )
        insert into pupil (area_id, id, school_id, referral_id)
        select area_id, pupil_id, school_id, id from parted
        """
    )
    op.execute("set constraints all immediate")
    op.create_table(
        "pupil_identity",
        sa.Column("upn", sa.Text(), nullable=True),
        sa.Column("nhs_number", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("date_of_birth", sa.Date(), nullable=False),
        sa.Column("home_la_code", sa.Text(), nullable=True),
        sa.Column("parent_name", sa.Text(), nullable=True),
        sa.Column("parent_telephone", sa.Text(), nullable=True),
        sa.Column("parent_email", sa.Text(), nullable=True),
        sa.Column("interpreter_language", sa.Text(), nullable=True),
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("pupil_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("sen_provision", sa.Text(), nullable=False),
        sa.CheckConstraint("\"sen_provision\" in ('E', 'K', 'N')", name="sen_provision_is_known"),
        sa.ForeignKeyConstraint(["area_id", "pupil_id"], ["pupil.area_id", "pupil.id"]),
        sa.ForeignKeyConstraint(
            ["area_id", "referral_id", "school_id", "provider_id"],
            ["referral.area_id", "referral.id", "referral.school_id", "referral.provider_id"],
            onupdate="cascade",
        ),
        sa.PrimaryKeyConstraint("area_id", "referral_id"),
    )
    stated = STATED.replace("upn,", "coalesce(s.upn, s.temporary_upn),", 1)
    stated = stated.replace("family_name,", "coalesce(s.family_name, s.given_name),")
    op.execute(
        f"""
        insert into pupil_identity (area_id, referral_id, pupil_id, school_id, provider_id, {STATED})
        select s.area_id, s.referral_id, r.pupil_id, s.school_id, s.provider_id, {stated}
        from pupil_statement s join referral r on r.area_id = s.area_id and r.statement_id = s.id
        """
    )
    op.drop_constraint("statement_of_pupil", "referral")
    for column in ("statement_id", "same_as_id", "collides_with"):
        op.drop_column("referral", column)
    op.drop_table("pupil_statement")
    op.execute("drop function keep_statement")
    op.execute("drop policy within_reach on pupil")
    for column in ("school_id", "referral_id", "joined_to", "former_id"):
        op.drop_column("pupil", column)
    _index("identity_by_nhs_number", "pupil_identity", ["nhs_number"])
    _index("identity_by_pupil", "pupil_identity", ["pupil_id"])
    _index("identity_by_upn", "pupil_identity", ["upn"])
    _index("one_open_referral", "referral", ["service_id", "pupil_id"], unique=True, where=OPEN)
    _protect("pupil", AREA)
    _protect("pupil_identity", CASE)
    op.execute("alter table referral force row level security")
    op.execute(MATCH_PUPIL)
