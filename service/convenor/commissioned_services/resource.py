"""Declare commissioned services, with provider, clusters, capacity and wait."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.commissioned_services.models import DeliveryMode, Level, Offer, ServiceFields
from convenor.database.constraints import valid_on
from convenor.domain_types.codes import AreaOfNeed, Line, Prose
from convenor.domain_types.statistics import LARGEST_SUPPRESSED, Status
from convenor.read_model.resource import OPEN_TO_AREA, DefaultFilter, Filter, Part, Relation, Resource, Several, Sort
from convenor.security.principal import Role


class ProviderOf(BaseModel):
    """The provider of a service."""

    id: UUID = Field(description="The provider's id.")
    name: str = Field(description="The provider's name.")


class Capacity(BaseModel):
    """The capacity of a service."""

    places: int | None = Field(description="Places, where stated.")
    in_use: int | None = Field(description="Open referrals that the service works on; null where suppressed.")
    status: Status = Field(
        description=f"Status of `in_use`: `ok`, or `c` where a number from 1 to {LARGEST_SUPPRESSED} is suppressed."
    )
    confirmed_on: date | None = Field(description="When the provider last confirmed its places.")


class Wait(BaseModel):
    """The wait for a service, over all schools of the area."""

    waiting: int | None = Field(description="Open referrals without an attended session; null where suppressed.")
    median_days: int | None = Field(description="Median number of days since submission.")
    longest_days: int | None = Field(description="Longest wait in days.")
    status: Status = Field(
        description=f"`ok`, or `c` where 1 to {LARGEST_SUPPRESSED} referrals wait and the figures are suppressed."
    )
    as_at: datetime = Field(description="When the referrals were counted, to the second.")


class ServiceRead(ServiceFields):
    """One commissioned service."""

    id: UUID = Field(description="The service's id.")
    provider: ProviderOf | None = Field(description="The provider, where stated.")
    clusters: list[str] = Field(description="The codes of the clusters that buy it today.")
    capacity: Capacity = Field(description="Places, and how many are in use.")
    wait: Wait = Field(description="How many referrals wait, and how long.")
    promoted_on: date | None = Field(description="When it was promoted from local to core.")
    promotion_evidence: Prose | None = Field(description="The evidence for the promotion.")


BUYS = (
    "select {what} from service_cluster sc join cluster c on c.area_id = sc.area_id and c.id = sc.cluster_id"
    " where sc.area_id = {t}.area_id and sc.service_id = {t}.id and {held}"
).replace("{held}", valid_on("sc", "{today}"))

OF_ITS_CLUSTER = (
    "sc.cluster_id in (select m.cluster_id from cluster_membership m"
    " where m.area_id = {t}.area_id and m.school_id = any({keys}) and {held})"
).replace("{held}", valid_on("m", "{today}"))


def _shown(count: str) -> str:
    """Write the condition under which a count is shown: it is not small, or the caller provides the service."""
    return f"({count} not between 1 and {LARGEST_SUPPRESSED} or {{t}}.provider_id = any({{keys}}))"


def _suppressed(count: str, value: str) -> str:
    return f"case when {_shown(count)} then {value} end"


SERVICES = Resource(
    name="services",
    singular="service",
    table="commissioned_service",
    read=ServiceRead,
    row_access=OPEN_TO_AREA,
    natural_key="code",
    etag="version",
    order="code",
    sorts={"code": Sort("code", "text"), "name": Sort("name", "text")},
    joins={"load": "cross join lateral service_load({t}.area_id, {t}.id, now())"},
    sql={
        "clusters": "(" + BUYS.replace("{what}", "coalesce(json_agg(c.code order by c.code), '[]')") + ")",
        "capacity.places": "{t}.places",
        "capacity.in_use": _suppressed("{load}.in_use", "{load}.in_use"),
        "capacity.status": f"case when {_shown('{load}.in_use')} then 'ok' else 'c' end",
        "capacity.confirmed_on": "{t}.capacity_confirmed_on",
        "wait.waiting": _suppressed("{load}.waiting", "{load}.waiting"),
        "wait.median_days": _suppressed("{load}.waiting", "{load}.median_days"),
        "wait.longest_days": _suppressed("{load}.waiting", "{load}.longest_days"),
        "wait.status": f"case when {_shown('{load}.waiting')} then 'ok' else 'c' end",
        "wait.as_at": "date_trunc('second', now())",
    },
    parts={"provider": Part("provider {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.provider_id")},
    open_free_text=("eligibility", "promotion_evidence"),
    default_filters={
        Role.SCHOOL_MIS: DefaultFilter(f"exists ({BUYS.replace('{what}', '')} and {OF_ITS_CLUSTER})", unless="cluster")
    },
    filters={
        "area_of_need": Filter(
            "{t}.area_of_need = any({v})", "text[]", Several[AreaOfNeed], "Services for this area of need."
        ),
        "cluster": Filter(
            "exists (" + BUYS.replace("{what}", "") + " and {v} in (c.code, c.id::text))",
            "text",
            Line,
            "Services that the cluster with this code or id buys. In the list of all services, the default for a"
            " school is its own cluster.",
        ),
        "offer": Filter("{t}.offer = any({v})", "text[]", Several[Offer], "Core or local services."),
        "level": Filter("{t}.level = any({v})", "text[]", Several[Level], "Universal or targeted services."),
        "delivery_mode": Filter(
            "{t}.delivery_mode = any({v})", "text[]", Several[DeliveryMode], "Services delivered this way."
        ),
        "provider": Filter("{t}.provider_id = {v}", "uuid", UUID, "Services of this provider."),
    },
    relations={
        "slas": Relation("slas", {"service_id": "id"}),
        "referrals": Relation("referrals", {"service_id": "id"}),
    },
)
