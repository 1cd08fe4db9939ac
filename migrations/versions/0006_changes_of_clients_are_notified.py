"""Add triggers that notify workers of every change of a client's access, so that they drop cached tokens.

They are on the tables and not in the commands, so that they cover every way to change a row. A new client, agreement,
organisation or key needs no notification, because no token can depend on it yet.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TRIGGERS = {
    "client": ("update or delete", "select old.client_id"),
    "client_key": ("update or delete", "select old.client_id"),
    "client_grant": ("insert or update or delete", "select unnest(array[old.client_id, new.client_id])"),
    "data_sharing_agreement": ("update", "select c.client_id from client c where c.agreement_id = old.id"),
    "organisation": ("update", "select c.client_id from client c where c.organisation_id = old.id"),
}
"""By table: the events, and the clients to notify about. `old` is null after an insert, `new` after a delete."""


def upgrade() -> None:
    for table, (events, clients) in TRIGGERS.items():
        op.execute(
            f"""
            create function notify_{table}() returns trigger language plpgsql as $$
            begin
                perform pg_notify('convenor_client', c.id) from ({clients}) c(id) where c.id is not null;
                return null;
            end
            $$
            """
        )
        op.execute(
            f"create trigger notify_{table} after {events} on {table} for each row execute function notify_{table}()"
        )


def downgrade() -> None:
    for table in TRIGGERS:
        op.execute(f"drop trigger notify_{table} on {table}")
        op.execute(f"drop function notify_{table}")
