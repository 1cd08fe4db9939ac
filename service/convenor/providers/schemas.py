"""The bodies that create and change providers."""

from convenor.areas.schemas import InArea
from convenor.domain_types.codes import CompanyNumber, Line, OdsCode, Ukprn
from convenor.domain_types.inputs import Patch, optional_field
from convenor.providers.models import Provider, ProviderFields, ProviderKind


class ProviderCreate(ProviderFields, InArea, stored_as=Provider):
    """A new provider."""


class ProviderUpdate(Patch, stored_as=Provider):
    """Changes to a provider."""

    name: Line | None = optional_field(ProviderFields, "name")
    kind: ProviderKind | None = optional_field(ProviderFields, "kind")
    ods_code: OdsCode | None = optional_field(ProviderFields, "ods_code")
    ukprn: Ukprn | None = optional_field(ProviderFields, "ukprn")
    company_number: CompanyNumber | None = optional_field(ProviderFields, "company_number")
