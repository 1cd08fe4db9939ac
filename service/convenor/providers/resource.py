"""Providers, as they are read."""

from uuid import UUID

from pydantic import Field

from convenor.kit.codes import OdsCode
from convenor.kit.reading.declare import DIRECTORY, Filter, Relation, Resource, Sort
from convenor.providers.models import ProviderFields, ProviderKind


class ProviderRead(ProviderFields):
    """One provider, in one area."""

    id: UUID = Field(description="The provider's id.")


PROVIDERS = Resource(
    name="providers",
    singular="provider",
    table="provider",
    read=ProviderRead,
    reach=DIRECTORY,
    natural_key="ods_code",
    etag="version",
    order="name",
    sorts={"name": Sort("name", "text")},
    filters={
        "kind": Filter("{t}.kind = {v}", "text", ProviderKind, "Providers of this kind."),
        "ods_code": Filter("{t}.ods_code = {v}", "text", OdsCode, "The provider with this ODS code."),
    },
    relations={
        "services": Relation("services", {"provider_id": "id"}),
        "slas": Relation("slas", {"provider_id": "id"}),
    },
)
