"""The identity of pupils, stored apart from their referrals.

`Pupil` is the link between the two sides of an identity; `PupilIdentity` is what one school stated in one referral,
so that no school ever overwrites another's statement.
"""

from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Index, Text
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import LaCode, Line, NhsNumber, SenProvision, Upn
from convenor.domain_types.dates import FullDate


class WhoFields(BaseModel):
    """The identity of a pupil."""

    upn: Upn | None = Field(None, description="Unique pupil number; null in early years or outside state schools.")
    nhs_number: NhsNumber | None = Field(None, description="NHS number, if the family gave it.")
    given_name: Line = Field(description="Given name.")
    family_name: Line = Field(description="Family name.")
    date_of_birth: FullDate = Field(description="Date of birth.")
    sen_provision: SenProvision = Field(description="E (EHC plan), K (SEN Support) or N (none).")
    home_la_code: LaCode | None = Field(None, description="LA code of the home authority, if it is not the school's.")


class ParentFields(BaseModel):
    """A parent or carer as the contact, and their language."""

    parent_name: Line | None = Field(None, description="The parent or carer to contact.")
    parent_telephone: Line | None = Field(None, description="Their telephone number.", max_length=30)
    parent_email: Line | None = Field(None, description="Their email address.")
    interpreter_language: Line | None = Field(
        None, description="The language for which an interpreter is needed.", max_length=60
    )


class PupilFields(ParentFields, WhoFields):
    """The details of a pupil that a referrer states."""


class Pupil(AreaRow, table=True):
    """The link: an id, and nothing that identifies anybody."""

    __table_args__ = (area_foreign_key(),)


class PupilIdentity(PupilFields, SQLModel, table=True):
    """A pupil as one referral describes them. `school_id` and `provider_id` decide who has access."""

    __tablename__ = "pupil_identity"
    __table_args__ = (
        tenant_foreign_key("pupil", "pupil_id"),
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        enum_check("sen_provision", SenProvision),
        Index("identity_by_upn", "area_id", "upn"),
        Index("identity_by_nhs_number", "area_id", "nhs_number"),
        Index("identity_by_pupil", "area_id", "pupil_id"),
    )
    area_id: UUID = ColumnField(primary_key=True)
    referral_id: UUID = ColumnField(primary_key=True)
    pupil_id: UUID
    school_id: UUID
    provider_id: UUID
    sen_provision: str = ColumnField(sa_type=Text)
