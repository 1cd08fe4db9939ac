"""Declare providers."""

from uuid import UUID

from pydantic import Field

from convenor.domain_types.codes import OdsCode
from convenor.providers.models import ProviderFields, ProviderKind
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Relation, Resource, Several, Sort


class ProviderRead(ProviderFields):
    """One provider, in one area."""

    id: UUID = Field(description="The provider's id.")


PROVIDERS = Resource(
    name="providers",
    singular="provider",
    table="provider",
    read=ProviderRead,
    row_access=OPEN_TO_AREA,
    natural_key="ods_code",
    etag="version",
    order="name",
    sorts={"name": Sort("name", "text")},
    filters={
        "kind": Filter("{t}.kind = any({v})", "text[]", Several[ProviderKind], "Providers of this kind."),
        "ods_code": Filter("{t}.ods_code = {v}", "text", OdsCode, "The provider with this ODS code."),
    },
    relations={
        "services": Relation("services", {"provider_id": "id"}),
        "slas": Relation("slas", {"provider_id": "id"}),
    },
)
