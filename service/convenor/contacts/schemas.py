"""What comes in about contacts."""

from pydantic import Field

from convenor.contacts.models import ContactFields
from convenor.domain_types.codes import Line
from convenor.domain_types.dates import PastDate
from convenor.domain_types.inputs import InputModel


class ContactCreate(ContactFields, InputModel):
    """A session of the referral in the path."""

    on: PastDate = Field(description="The day of the session.")


class ContactLine(ContactCreate):
    """A session in a bulk load."""

    referral_code: Line = Field(description="The code of the referral.", max_length=40)
    reference: Line = Field(description="Your own id of the session: a repeated line is known by it.", max_length=100)
