"""What comes in about who is in a cluster, and about mergers, splits and conversions."""

from typing import Annotated

from pydantic import Field

from convenor.clusters.models import ClusterFields, ClusterRoleFields
from convenor.domain_types.codes import Laestab, Line, Phase, Ukprn, Urn
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, Patch

School = Annotated[Line, Field(description="URN or id of the school.")]


class MembershipCreate(InputModel):
    """A school joins a cluster."""

    school: School
    valid_from: FullDate = Field(description="Its first day in the cluster.")
    valid_to: FullDate | None = Field(None, description="The day from which it is in it no more, where known.")


class MembershipUpdate(Patch):
    """A school leaves a cluster."""

    valid_to: FullDate | None = Field(
        None, description="The day from which it is in the cluster no more; null takes an end back."
    )


class ClusterRoleCreate(ClusterRoleFields, InputModel):
    """Somebody takes up a role in a cluster."""

    school: Line | None = Field(None, description="URN or id of the school that they are of.")


class ClusterRoleUpdate(Patch):
    """Somebody gives up a role in a cluster."""

    valid_to: FullDate | None = Field(
        None, description="The day from which they hold it no more; null takes an end back."
    )


class ClusterInto(ClusterFields, InputModel):
    """A cluster that comes out of others."""


class MergeCreate(InputModel):
    """Clusters become one."""

    clusters: list[Line] = Field(min_length=2, max_length=50, description="Codes or ids of the clusters that merge.")
    into: ClusterInto = Field(description="The cluster that comes out of them.")
    on: FullDate = Field(description="The day from which it stands in their place.")


class SplitInto(ClusterInto):
    """One of the clusters that come out of one, and its schools."""

    schools: list[School] = Field(max_length=500, description="Its schools, by URN or id.")


class SplitCreate(InputModel):
    """A cluster becomes several. Each of its schools is placed in exactly one of them."""

    into: list[SplitInto] = Field(min_length=2, max_length=50, description="The clusters that come out of it.")
    on: FullDate = Field(description="The day from which they stand in its place.")


class SuccessorCreate(InputModel):
    """The school that another became, e.g. on academy conversion."""

    urn: Urn = Field(description="The successor's own URN.")
    name: Line = Field(description="The successor's name.")
    phase: Phase | None = Field(None, description="Phase of education; its predecessor's where left out.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    laestab: Laestab | None = Field(None, description="LA code and establishment number.")
    on: FullDate = Field(description="The successor's first day, from which the predecessor is closed.")
