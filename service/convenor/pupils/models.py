"""Who a pupil is, kept apart from what happens to them.

`Pupil` is the link between the two sides of an identity; `PupilIdentity` is what one school stated in one referral,
so that no school ever overwrites another's statement.
"""

from uuid import UUID

from pydantic import BaseModel
from pydantic import Field as Says
from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import LaCode, Line, NhsNumber, SenProvision, Upn
from convenor.domain_types.dates import FullDate


class WhoFields(BaseModel):
    """Who a pupil is."""

    upn: Upn | None = Says(None, description="Unique pupil number; absent in early years or outside state schools.")
    nhs_number: NhsNumber | None = Says(None, description="NHS number, where the family gave it.")
    given_name: Line = Says(description="Given name.")
    family_name: Line = Says(description="Family name.")
    date_of_birth: FullDate = Says(description="Date of birth.")
    sen_provision: SenProvision = Says(description="E (EHC plan), K (SEN Support) or N (none).")
    home_la_code: LaCode | None = Says(None, description="The home authority's code where it is not the school's.")


class ParentFields(BaseModel):
    """A parent or carer to talk to, and in which language."""

    parent_name: Line | None = Says(None, description="A parent or carer to talk to.")
    parent_telephone: Line | None = Says(None, description="Their telephone number.", max_length=30)
    parent_email: Line | None = Says(None, description="Their email address.")
    interpreter_language: Line | None = Says(
        None, description="The language for which they need an interpreter.", max_length=60
    )


class PupilFields(ParentFields, WhoFields):
    """What a referrer states of a pupil."""


class Pupil(AreaRow, table=True):
    """The link: an id, and nothing that identifies anybody."""

    __table_args__ = (area_foreign_key(),)


class PupilIdentity(PupilFields, SQLModel, table=True):
    """A pupil as one referral states them. `school_id` and `provider_id` say whose rows these are."""

    __tablename__ = "pupil_identity"
    __table_args__ = (
        tenant_foreign_key("pupil", "pupil_id"),
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("sen_provision", SenProvision),
        Index("identity_by_upn", "area_id", "upn"),
        Index("identity_by_nhs_number", "area_id", "nhs_number"),
        Index("identity_by_pupil", "area_id", "pupil_id"),
    )
    area_id: UUID = Field(primary_key=True)
    referral_id: UUID = Field(primary_key=True)
    pupil_id: UUID
    school_id: UUID
    provider_id: UUID
    sen_provision: str = Field(sa_type=Text)
