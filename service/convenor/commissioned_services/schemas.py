"""The bodies that create and change commissioned services."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.commissioned_services.models import (
    Audience,
    CommissionedService,
    DeliveryMode,
    Evidence,
    Level,
    ServiceFields,
)
from convenor.domain_types.codes import AreaOfNeed, Line, Prose
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, InputPart, NotNullable, Patch, optional_field

Places = Annotated[int, Field(ge=0, le=1_000_000)]
Clusters = Annotated[list[Line], Field(max_length=200)]


class CapacityStated(InputPart, columns={"confirmed_on": "capacity_confirmed_on"}):
    """The capacity of a service, as its provider confirms it. What you leave out is emptied."""

    places: Places | None = Field(None, description="Number of places; null where not stated.")
    confirmed_on: FullDate | None = Field(None, description="The day on which the provider confirmed them.")


class ServiceCreate(
    ServiceFields,
    InArea,
    stored_as=CommissionedService,
    columns={"capacity": ""},
    resolved={"provider", "clusters"},
):
    """A new commissioned service."""

    provider: Line | None = Field(None, description="Id or ODS code of the provider. Leave it out where not stated.")
    clusters: Clusters | None = Field(
        None,
        description="Codes or ids of the clusters that buy it from today, or from `valid_from`. If you leave it out, "
        "every cluster of the area buys a core service, and none buys a local one.",
    )
    capacity: CapacityStated | None = Field(None, description="The capacity of the service.")


class ServiceUpdate(Patch, stored_as=CommissionedService, columns={"capacity": ""}, resolved={"provider", "clusters"}):
    """Changes to a service. Its code cannot change; a local service becomes core by `promotion`."""

    name: Line | None = optional_field(ServiceFields, "name")
    area_of_need: AreaOfNeed | None = optional_field(ServiceFields, "area_of_need")
    level: Level | None = optional_field(ServiceFields, "level")
    audience: Audience | None = optional_field(ServiceFields, "audience")
    delivery_mode: DeliveryMode | None = optional_field(ServiceFields, "delivery_mode")
    setting: Line | None = optional_field(ServiceFields, "setting")
    eligibility: Prose | None = optional_field(ServiceFields, "eligibility")
    evidence: Evidence | None = optional_field(ServiceFields, "evidence")
    valid_from: FullDate | None = optional_field(ServiceFields, "valid_from")
    valid_to: FullDate | None = optional_field(ServiceFields, "valid_to")
    capacity: Annotated[CapacityStated | None, NotNullable] = Field(None, description="The capacity of the service.")
    provider: Annotated[Line | None, NotNullable] = Field(
        None,
        description="Id or ODS code of the provider. A new provider takes over the service's referrals, contacts, "
        "outcomes and SLAs: it sees them from then on, and the former provider no longer does.",
    )
    clusters: Annotated[Clusters | None, NotNullable] = Field(
        None,
        description="Codes or ids of all the clusters that buy it from today. Clusters that you leave out stop buying "
        "it today.",
    )


class PromotionCreate(InputModel, resolved={"evidence"}):
    """The promotion of a local service to the core offer: every cluster of the area buys it from today."""

    evidence: Prose = Field(description="The evidence that supports the promotion.")
