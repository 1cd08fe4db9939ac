"""Add the pathway of the service referral, version 1."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = [
    ("submitted", True, False, "Sent to the service, which has not answered yet."),
    ("returned", True, False, "Sent back to the referrer: something is missing. The wait runs on."),
    ("accepted", True, True, "The service takes the referral on."),
    ("waiting", True, True, "On the service's waiting list."),
    ("paused", True, False, "Work is interrupted for a while."),
    ("in_progress", True, True, "Work has begun: the first contact was attended."),
    ("discharged", False, False, "Work has ended."),
    ("declined", False, False, "The service does not take the referral on."),
    ("withdrawn", False, False, "The referrer took the referral back."),
]
OPEN = [state for state, is_open, *_ in STATES if is_open]
STEPS = [
    ("submitted", "accepted", "service", [], "The service takes it on."),
    ("submitted", "returned", "service", ["reason"], "What is missing."),
    ("submitted", "declined", "service", ["reason"], "Why not."),
    ("returned", "submitted", "referrer", ["reason"], "The missing part is there."),
    ("accepted", "waiting", "service", [], "It joins the waiting list."),
    ("waiting", "paused", "service", ["reason"], "Why work cannot begin for now."),
    ("paused", "waiting", "service", ["reason"], "Why it can go on."),
    ("accepted", "in_progress", "nobody", [], "The first attended contact does it."),
    ("waiting", "in_progress", "nobody", [], "The first attended contact does it."),
    ("in_progress", "discharged", "service", ["reason"], "How the work ended."),
    *[(state, "withdrawn", "referrer", ["reason"], "Why it is taken back.") for state in OPEN],
]


def upgrade() -> None:
    pathway = sa.table(
        "pathway",
        sa.column("id", sa.Uuid),
        sa.column("code", sa.Text),
        sa.column("version", sa.Integer),
        sa.column("name", sa.Text),
        sa.column("kind", sa.Text),
        sa.column("initial", sa.Text),
        sa.column("valid_from", sa.Date),
        sa.column("states", postgresql.JSONB),
        sa.column("transitions", postgresql.JSONB),
        sa.column("next_states", postgresql.JSONB),
    )
    states = [dict(zip(("state", "open", "contacts", "description"), state, strict=True)) for state in STATES]
    steps = [dict(zip(("source", "to", "by", "requires", "description"), step, strict=True)) for step in STEPS]
    op.bulk_insert(
        pathway,
        [
            {
                "id": UUID("019a0000-0000-7000-8000-000000000001"),
                "code": "service",
                "version": 1,
                "name": "Service referral",
                "kind": "referral",
                "initial": "submitted",
                "valid_from": date(2018, 9, 1),
                "states": states,
                "transitions": steps,
                "next_states": {state: [step[1] for step in STEPS if step[0] == state] for state, *_ in STATES},
            }
        ],
    )

    op.execute(
        """
        create view current_pathway with (security_invoker = true) as
        select distinct on (code) * from pathway
        where valid_from <= (now() at time zone 'Europe/London')::date
        order by code, version desc
        """
    )


def downgrade() -> None:
    op.execute("drop view current_pathway")
    op.execute("delete from pathway where code = 'service' and version = 1")
