"""Take purposes and domains from closed lists, so that neither can carry the name of a child.

The one purpose of an agreement becomes the first of its list. An outcome's domain becomes one of its instrument's.
A domain that is none of them becomes `other`: it was free text that every role read, so it may name a child. It is
personal data without a use, and is therefore not kept in another column. The statistics of the column are renewed,
because they hold its most common values.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DOMAINS = {
    "TOMs": ("impairment", "activity", "participation", "wellbeing"),
    "Boxall": (
        "developmental_strands",
        "organisation_of_experience",
        "internalisation_of_controls",
        "diagnostic_profile",
        "self_limiting_features",
        "undeveloped_behaviour",
        "unsupported_development",
    ),
    "PIVATS": (
        "communication_and_language",
        "reading",
        "writing",
        "mathematics",
        "personal_social_and_emotional",
    ),
    "goal_based": ("goal_1", "goal_2", "goal_3"),
    "attendance": ("sessions_attended_percent", "sessions_missed"),
    "SDQ": (
        "total_difficulties",
        "emotional_symptoms",
        "conduct_problems",
        "hyperactivity",
        "peer_problems",
        "prosocial_behaviour",
        "impact",
    ),
}
KNOWN = ", ".join(f"('{instrument}', '{domain}')" for instrument, of_it in DOMAINS.items() for domain in of_it)
IS_KNOWN = f"domain = 'other' or (instrument, domain) in ({KNOWN})"


def upgrade() -> None:
    # The rows belong to areas, and the owner has no area: lift the policies for this statement only.
    op.execute("alter table outcome no force row level security")
    op.execute(f"update outcome set domain = 'other', version = version + 1 where not ({IS_KNOWN})")
    op.execute("alter table outcome force row level security")
    op.create_check_constraint("domain_is_of_instrument", "outcome", IS_KNOWN)
    op.execute("analyze outcome (domain)")

    op.add_column("data_sharing_agreement", sa.Column("purposes", postgresql.ARRAY(sa.Text())))
    op.execute("update data_sharing_agreement set purposes = array[purpose]")
    op.alter_column("data_sharing_agreement", "purposes", nullable=False)
    op.create_check_constraint("an_agreement_has_a_purpose", "data_sharing_agreement", "cardinality(purposes) > 0")
    op.drop_column("data_sharing_agreement", "purpose")


def downgrade() -> None:
    """Keep the domains, which were replaced for good, and the first purpose of each agreement."""
    op.add_column("data_sharing_agreement", sa.Column("purpose", sa.Text()))
    op.execute("update data_sharing_agreement set purpose = purposes[1]")
    op.alter_column("data_sharing_agreement", "purpose", nullable=False)
    op.drop_constraint("an_agreement_has_a_purpose", "data_sharing_agreement")
    op.drop_column("data_sharing_agreement", "purposes")
    op.drop_constraint("domain_is_of_instrument", "outcome")
