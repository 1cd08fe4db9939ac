"""Pupils, and what schools state of them, apart from the referrals.

A `Pupil` belongs to one school and holds nothing that identifies anybody. A `PupilStatement` is what the school says of
the child with one referral. It never changes: a correction is a new statement, and the last one is in force.
"""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, DateTime, ForeignKeyConstraint, Index, LargeBinary, Text, Uuid, text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, tenant_foreign_key
from convenor.domain_types.codes import LaCode, Line, NhsNumber, SenProvision, ShortLine, Telephone, Upn
from convenor.domain_types.dates import FullDate


class WhoFields(BaseModel):
    """The identity of a pupil."""

    upn: Upn | None = Field(None, description="Unique pupil number; null in early years or outside state schools.")
    nhs_number: NhsNumber | None = Field(None, description="NHS number, if the family gave it.")
    given_name: Line = Field(description="Given name.")
    family_name: Line | None = Field(None, description="Family name; null where the pupil has one name.")
    date_of_birth: FullDate = Field(description="Date of birth.")
    sen_provision: SenProvision = Field(description="E (EHC plan), K (SEN Support) or N (none).")
    home_la_code: LaCode | None = Field(None, description="LA code of the home authority, if it is not the school's.")


class ParentFields(BaseModel):
    """A parent or carer as the contact, and their language."""

    parent_name: Line | None = Field(None, description="The parent or carer to contact.")
    parent_telephone: Telephone | None = Field(None, description="Their telephone number.")
    parent_email: Line | None = Field(None, description="Their email address.")
    interpreter_language: ShortLine | None = Field(None, description="The language for which an interpreter is needed.")


class PupilFields(ParentFields, WhoFields):
    """The details of a pupil that a referrer states."""


class Pupil(AreaRow, table=True):
    """A school's pupil: an id, and nothing that identifies anybody. Its id is random, so that it has no time in it."""

    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("school", "school_id"),
        tenant_foreign_key("pupil", "joined_to"),
        ForeignKeyConstraint(
            ["area_id", "referral_id"],
            ["referral.area_id", "referral.id"],
            name="pupil_referral",
            deferrable=True,
            initially="deferred",
            use_alter=True,
        ),
        Index("pupil_by_referral", "area_id", "referral_id", unique=True),
        Index("pupil_by_joined", "area_id", "joined_to", postgresql_where=text("joined_to is not null")),
        Index("pupil_by_former", "area_id", "former_id", postgresql_where=text("former_id is not null")),
    )
    id: UUID = ColumnField(default_factory=uuid4, primary_key=True)
    school_id: UUID
    referral_id: UUID
    """The referral that the pupil came with. It is the pupil's as long as this is the oldest of its referrals."""
    joined_to: UUID | None = None
    """The older pupil of the school that this one turned out to be."""
    former_id: UUID | None = None
    """The id by which events name the pupil that were written when a pupil belonged to an area."""


def _in_force(name: str, *columns: str, **how: Any) -> Index:
    return Index(name, "area_id", *columns, postgresql_where=text("superseded_at is null"), **how)


class PupilStatement(PupilFields, AreaRow, table=True):
    """What a school says of a pupil with one referral. `school_id` and `provider_id` decide who has access.

    A trigger keeps what was stated. Only the keys follow the referral, `superseded_at` is set once, and what was stated
    is sealed anew with a younger key.
    """

    __tablename__ = "pupil_statement"
    __table_args__ = (
        tenant_foreign_key("pupil", "pupil_id"),
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        tenant_foreign_key("referral", "same_as_id"),
        enum_check("sen_provision", SenProvision),
        _in_force("statement_in_force", "referral_id", unique=True),
        _in_force("statement_by_upn", "upn_hash", "school_id"),
        _in_force("statement_by_temporary_upn", "temporary_upn_hash", "school_id"),
        _in_force("statement_by_nhs_number", "nhs_number_hash", "school_id"),
        _in_force("statement_by_birth", "school_id", "date_of_birth_hash"),
        Index("statement_not_sealed", "area_id", "school_id", postgresql_where=text("sealed_identity is null")),
        Index("statement_by_pupil", "area_id", "pupil_id"),
        Index("statement_by_referral", "area_id", "referral_id"),
    )
    referral_id: UUID
    school_id: UUID
    provider_id: UUID
    pupil_id: UUID
    stated_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    superseded_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    temporary_upn: str | None = None
    """A UPN of temporary shape; `upn` holds a permanent one."""
    same_as_id: UUID | None = None
    """Another referral of the school that is about the same child, where no number tells."""
    not_the_same_as_ids: list[UUID] | None = ColumnField(None, sa_type=ARRAY(Uuid))
    """Referrals of the school that are about other children."""
    sen_provision: str = ColumnField(sa_type=Text)
    upn_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    temporary_upn_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    nhs_number_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    date_of_birth_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_upn: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_nhs_number: bytes | None = ColumnField(None, sa_type=LargeBinary)


class TracedNumber(AreaRow, table=True):
    """The NHS number that a service traced for a referral: a statement of its own, which no school reads.

    Like a school's statement it never changes. `provider_id` decides who has access.
    """

    __tablename__ = "traced_number"
    __table_args__ = (
        tenant_foreign_key("referral", "referral_id", "school_id", "provider_id", onupdate="cascade"),
        _in_force("traced_in_force", "referral_id", unique=True),
        _in_force("traced_by_number", "nhs_number_hash"),
        Index("traced_not_sealed", "area_id", "provider_id", postgresql_where=text("sealed_nhs_number is null")),
        Index("traced_by_referral", "area_id", "referral_id"),
    )
    nhs_number: str
    referral_id: UUID
    school_id: UUID
    provider_id: UUID
    organisation_id: UUID
    """Who traced it."""
    stated_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    superseded_at: datetime | None = ColumnField(None, sa_type=DateTime(timezone=True))
    nhs_number_hash: bytes | None = ColumnField(None, sa_type=LargeBinary)
    sealed_nhs_number: bytes | None = ColumnField(None, sa_type=LargeBinary)
