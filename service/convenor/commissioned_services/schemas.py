"""What comes in about commissioned services."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.commissioned_services.models import Audience, DeliveryMode, Evidence, Level, ServiceFields
from convenor.domain_types.codes import AreaOfNeed, Line, Prose
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, NotNullable, Patch

Places = Annotated[int, Field(ge=0, le=1_000_000)]
Clusters = Annotated[list[Line], Field(max_length=200)]


class CapacityStated(InputModel):
    """How much of a service there is, as its provider confirms it. It is stated whole."""

    places: Places | None = Field(None, description="Places; null where not stated.")
    confirmed_on: FullDate | None = Field(None, description="When the provider confirmed them.")


class ServiceCreate(ServiceFields, InArea):
    """A new commissioned service."""

    provider: Line | None = Field(None, description="Id or ODS code of the provider; leave it out where not stated.")
    clusters: Clusters | None = Field(
        None,
        description="Codes or ids of the clusters that buy it from today, or from `valid_from`. Left out: every "
        "cluster of the area for a core service, none for a local one.",
    )
    capacity: CapacityStated | None = Field(None, description="How much of it there is.")


class ServiceUpdate(Patch):
    """What may change about a service. Its code stays; a local one becomes core by `promotion`."""

    name: Annotated[Line | None, NotNullable] = Field(None, description="The service's name.")
    area_of_need: Annotated[AreaOfNeed | None, NotNullable] = Field(None, description="The area of need it answers.")
    level: Level | None = Field(None, description="Universal or targeted.")
    audience: Audience | None = Field(None, description="Who takes part.")
    delivery_mode: DeliveryMode | None = Field(None, description="How it is delivered.")
    setting: Line | None = Field(None, description="Where it is delivered.")
    eligibility: Prose | None = Field(None, description="Who may be referred.")
    evidence: Evidence | None = Field(None, description="Strength and breadth of its evidence.")
    valid_from: FullDate | None = Field(None, description="The first day it is offered.")
    valid_to: FullDate | None = Field(None, description="The day from which it is no longer offered.")
    capacity: Annotated[CapacityStated | None, NotNullable] = Field(None, description="How much of it there is.")
    provider: Annotated[Line | None, NotNullable] = Field(
        None,
        description="Id or ODS code of the provider. Another provider takes over the service's referrals, contacts, "
        "outcomes and SLAs with it: it sees them from then on, and the former provider does not.",
    )
    clusters: Annotated[Clusters | None, NotNullable] = Field(
        None,
        description="Codes or ids of all the clusters that buy it from today on. Those left out stop buying it today.",
    )


class PromotionCreate(InputModel):
    """From local to core: every cluster of the area buys it from today."""

    evidence: Prose = Field(description="The evidence that carries the promotion.")
