"""Providers: the organisations that deliver commissioned services."""

from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check
from convenor.domain_types.codes import CompanyNumber, Line, OdsCode, StrictStrEnum, Ukprn


class ProviderKind(StrictStrEnum):
    """The kind of organisation that a provider is."""

    NHS = "nhs"
    LA_TEAM = "la_team"
    THIRD_SECTOR = "third_sector"
    ALTERNATIVE_PROVISION = "alternative_provision"
    INDEPENDENT = "independent"


class ProviderFields(BaseModel):
    """The fields of a provider."""

    name: Line = Field(description="The provider's name.")
    kind: ProviderKind = Field(description="The kind of organisation.")
    ods_code: OdsCode | None = Field(None, description="ODS code, for NHS bodies.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    company_number: CompanyNumber | None = Field(None, description="Companies House number.")


class Provider(ProviderFields, AreaRow, table=True):
    """A provider in one area. An organisation that serves two areas has a row in each."""

    __table_args__ = (
        area_foreign_key(),
        UniqueConstraint("area_id", "name"),
        UniqueConstraint("area_id", "ods_code"),
        enum_check("kind", ProviderKind),
    )
    kind: str = ColumnField(sa_type=Text)
    organisation_id: UUID | None = None
    version: int = 1
