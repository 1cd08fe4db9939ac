"""Give what identifies a child a sealed form, and what is compared a keyed hash.

Rows keep their plain form until `convenor encrypt`, or the service, seals them; new rows have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SEALED = (
    "pupil_statement",
    "referral",
    "referral_transition",
    "contact",
    "sla_transition",
    "impact_return",
    "impact_return_transition",
    "pupil_decision",
)
OF_STATEMENT = (
    "upn_hash",
    "temporary_upn_hash",
    "nhs_number_hash",
    "date_of_birth_hash",
    "sealed_upn",
    "sealed_nhs_number",
)
REQUIRED = (
    ("pupil_statement", "given_name"),
    ("pupil_statement", "date_of_birth"),
    ("referral", "reason"),
    ("traced_number", "nhs_number"),
    ("pupil_decision", "reason"),
)
IN_FORCE = "superseded_at is null"

# What was stated is sealed anew with a younger key. A statement of before is sealed once: its hashes come, and its
# plain form goes.
KEEP_STATEMENT = """
    create or replace function keep_statement() returns trigger language plpgsql as $$
    declare may_follow text[] := '{{pupil_id, school_id, provider_id, superseded_at{sealed}}}';
    begin
        {more}if to_jsonb(new) - may_follow is distinct from to_jsonb(old) - may_follow
            or (old.superseded_at is not null and new.superseded_at is distinct from old.superseded_at)
        then
            raise exception 'A statement about a pupil never changes. Make a new one that supersedes it.';
        end if;
        return new;
    end
    $$
"""
MORE = """if old.sealed_nhs_number is null and new.sealed_nhs_number is not null then
            may_follow := may_follow || '{upn, temporary_upn, nhs_number, given_name, family_name, date_of_birth,
                parent_name, parent_telephone, parent_email, interpreter_language, upn_hash, temporary_upn_hash,
                nhs_number_hash, date_of_birth_hash}'::text[];
        end if;
        """
# What gets its hashes is linked by them: the trigger, its table, and the function that adds the work.
WORK = (("statement_sealed", "pupil_statement", "statement_moved"), ("number_sealed", "traced_number", "number_traced"))
INDEXES = {
    "statement_by_upn": ("upn_hash", "school_id"),
    "statement_by_temporary_upn": ("temporary_upn_hash", "school_id"),
    "statement_by_nhs_number": ("nhs_number_hash", "school_id"),
    "statement_by_birth": ("school_id", "date_of_birth_hash"),
}


def upgrade() -> None:
    for table in SEALED:
        op.add_column(table, sa.Column("sealed_identity", sa.LargeBinary(), nullable=True))
    for column in OF_STATEMENT:
        op.add_column("pupil_statement", sa.Column(column, sa.LargeBinary(), nullable=True))
    for column in ("nhs_number_hash", "sealed_nhs_number"):
        op.add_column("traced_number", sa.Column(column, sa.LargeBinary(), nullable=True))
    op.drop_index("traced_by_number", table_name="traced_number")
    _index("traced_by_number", "traced_number", ("nhs_number_hash",), IN_FORCE)
    _index("traced_not_sealed", "traced_number", ("provider_id",), "sealed_nhs_number is null")
    for trigger, table, function in WORK:
        op.execute(
            f"create trigger {trigger} after update of sealed_nhs_number on {table}"
            f" for each row when (old.sealed_nhs_number is null) execute function {function}()"
        )
    op.add_column("contact", sa.Column("reference_hash", sa.LargeBinary(), nullable=True))
    for table, column in REQUIRED:
        op.alter_column(table, column, nullable=True)
    for name, columns in INDEXES.items():
        op.drop_index(name, table_name="pupil_statement")
        _index(name, "pupil_statement", columns, IN_FORCE)
    _index("statement_not_sealed", "pupil_statement", ("school_id",), "sealed_identity is null")
    op.execute("alter index contact_reference rename to contact_reference_not_sealed")
    _index("contact_reference", "contact", ("organisation_id", "reference_hash"), "reference_hash is not null", True)
    op.execute(KEEP_STATEMENT.format(sealed=", sealed_identity, sealed_upn, sealed_nhs_number", more=MORE))


def downgrade() -> None:
    """Go back where nothing is sealed: what is sealed has no plain form that a migration could restore."""
    for table in (*SEALED, "traced_number"):
        column = "sealed_nhs_number" if table == "traced_number" else "sealed_identity"
        op.execute(f"alter table {table} no force row level security")
        op.execute(
            f"do $$ begin if exists (select from {table} where {column} is not null) then raise exception"
            f" 'Rows of {table} are sealed. Restore a backup of before.'; end if; end $$"
        )
        op.execute(f"alter table {table} force row level security")
    for trigger, table, _function in WORK:
        op.execute(f"drop trigger {trigger} on {table}")
    op.execute(KEEP_STATEMENT.format(sealed="", more=""))
    for name in ("traced_by_number", "traced_not_sealed"):
        op.drop_index(name, table_name="traced_number")
    _index("traced_by_number", "traced_number", ("nhs_number",), IN_FORCE)
    for column in ("nhs_number_hash", "sealed_nhs_number"):
        op.drop_column("traced_number", column)
    op.drop_index("contact_reference", table_name="contact")
    op.execute("alter index contact_reference_not_sealed rename to contact_reference")
    op.drop_index("statement_not_sealed", table_name="pupil_statement")
    for name, columns in INDEXES.items():
        op.drop_index(name, table_name="pupil_statement")
        _index(name, "pupil_statement", tuple(column.removesuffix("_hash") for column in columns), IN_FORCE)
    for table, column in REQUIRED:
        op.alter_column(table, column, nullable=False)
    op.drop_column("contact", "reference_hash")
    for column in OF_STATEMENT:
        op.drop_column("pupil_statement", column)
    for table in SEALED:
        op.drop_column(table, "sealed_identity")


def _index(name: str, table: str, columns: tuple[str, ...], where: str, unique: bool = False) -> None:
    op.create_index(name, table, ["area_id", *columns], unique=unique, postgresql_where=sa.text(where))
