"""Declare contacts."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from convenor.contacts.models import Attendance, Contact, ContactFields
from convenor.domain_types.dates import FullDate
from convenor.pupils.resource import STATEMENT_OF_REFERRAL
from convenor.read_model.resource import Filter, Relation, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.referrals import referral_links
from convenor.referrals.resource import CASE_ROW_ACCESS
from convenor.security.principal import FieldSensitivity


class ContactRead(ContactFields):
    """One session."""

    id: UUID = Field(description="The contact's id.")
    referral_id: UUID = Field(description="The contact's referral.")
    referral_code: str = Field(description="The referral's code.")
    service_id: UUID = Field(description="The commissioned service that the pupil received.")
    organisation: str = Field(description="The organisation that recorded the contact.")
    recorded_at: datetime = Field(description="When the contact was first recorded.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


CONTACTS = Resource(
    name="contacts",
    singular="contact",
    table="contact",
    read=ContactRead,
    row_access=CASE_ROW_ACCESS,
    etag="version",
    subject=STATEMENT_OF_REFERRAL,
    order="-on",
    sorts={"on": Sort("on", "date")},
    sql=referral_links.SQL,
    sensitivity={"reference": FieldSensitivity.IDENTITY},
    filters={
        **referral_links.FILTERS,
        "on_after": Filter('{t}."on" > {v}', "date", FullDate, "Sessions after this day."),
        "on_before": Filter('{t}."on" < {v}', "date", FullDate, "Sessions before this day."),
        "attendance": Filter(
            "{t}.attendance = any({v})", "text[]", Several[Attendance], "Sessions with this attendance."
        ),
    },
    relations={**referral_links.RELATIONS, "outcomes": Relation("outcomes", {"referral_id": "referral_id"})},
)

CONTACT = seal_columns(Contact, CONTACTS)
"""How a session's reference is sealed, for what is written without an entity."""
