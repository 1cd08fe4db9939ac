"""Published aggregates."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from convenor.domain_types.statistics import Figure, Status


class GroupBy(StrEnum):
    """The grouping of the counts of referrals."""

    MONTH = "month"
    CLUSTER = "cluster"
    MONTH_AND_CLUSTER = "month,cluster"


class Published(BaseModel):
    """The information that is published with every table of figures."""

    area: str = Field(description="LA code of the area that the figures describe.")
    definition: str = Field(description="What is counted.")
    definition_version: int = Field(description="The version of that definition.")
    source: str = Field(description="The source of the figures.")
    as_at: datetime = Field(description="When the figures were counted, to the second.")
    suppression: str = Field(description="Which figures are hidden, and why.")


class ReferralsFigure(Figure):
    """The referrals of a month, a cluster, or both."""

    month: str | None = Field(None, description="The month of submission, as in 2025-09, in Europe/London.")
    cluster: str | None = Field(None, description="The cluster's code; absent for schools that were in none.")


class ReferralsPublished(Published):
    """Referrals submitted in an academic year."""

    academic_year: str = Field(description="The academic year.")
    first_day: date = Field(description="Its first day.")
    last_day: date = Field(description="Its last day.")
    group_by: GroupBy = Field(description="By what they are counted.")
    data: list[ReferralsFigure] = Field(description="The figures, in order.")


class ServiceWait(BaseModel):
    """How many wait for a service, from all clusters together, and how long they have waited so far."""

    service: str = Field(description="The service's code.")
    service_name: str = Field(description="The service's name.")
    waiting: int | None = Field(description="Open referrals without an attended contact; null where suppressed.")
    median_days: int | None = Field(description="Median of their days since submission.")
    longest_days: int | None = Field(description="The longest of them.")
    status: Status = Field(description="`ok`, or `c` where suppressed.")


class ClusterWait(ServiceWait):
    """How many of one cluster wait for a service, and how long they have waited so far."""

    cluster: str | None = Field(description="The cluster's code; null for schools that were in none.")


class WaitsPublished(Published):
    """Waits by service and cluster."""

    services: list[ServiceWait] = Field(
        description="Each service that has a provider, all clusters together: as GET /v1/services shows it."
    )
    data: list[ClusterWait] = Field(description="The same by cluster: those that buy the service or have one waiting.")
