"""The bodies that record contacts."""

from pydantic import Field

from convenor.contacts.models import Contact, ContactFields
from convenor.domain_types.codes import Code, Reference
from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel


class ContactCreate(ContactFields, InputModel, stored_as=Contact):
    """A session of the referral in the path."""

    on: PastDate = Field(description="The day of the session.")


class ContactLine(ContactCreate, resolved={"referral_code"}):
    """A session in a bulk load."""

    referral_code: Code = Field(description="The code of the referral.")
    reference: Reference = Field(
        description="Your own id of the session. A line with a known id corrects that session."
    )
