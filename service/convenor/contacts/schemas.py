"""The bodies that record contacts."""

from pydantic import Field

from convenor.contacts.models import Contact, ContactFields
from convenor.domain_types.codes import Line
from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel


class ContactCreate(ContactFields, InputModel, stored_as=Contact):
    """A session of the referral in the path."""

    on: PastDate = Field(description="The day of the session.")


class ContactLine(ContactCreate, resolved={"referral_code"}):
    """A session in a bulk load."""

    referral_code: Line = Field(description="The code of the referral.", max_length=40)
    reference: Line = Field(
        description="Your own id of the session. A line with a known id corrects that session.", max_length=100
    )
