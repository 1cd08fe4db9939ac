"""What comes in about providers."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.domain_types.codes import CompanyNumber, Line, OdsCode, Ukprn
from convenor.domain_types.inputs import NotNullable, Patch
from convenor.providers.models import ProviderFields, ProviderKind


class ProviderCreate(ProviderFields, InArea):
    """A new provider."""


class ProviderUpdate(Patch):
    """What may change about a provider."""

    name: Annotated[Line | None, NotNullable] = Field(None, description="The provider's name.")
    kind: Annotated[ProviderKind | None, NotNullable] = Field(None, description="What sort of organisation it is.")
    ods_code: OdsCode | None = Field(None, description="ODS code, for NHS bodies.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    company_number: CompanyNumber | None = Field(None, description="Companies House number.")
