"""The bodies about the members and role holders of clusters, and about mergers, splits and conversions."""

from typing import Annotated

from pydantic import Field

from convenor.clusters.models import Cluster, ClusterFields, ClusterMembership, ClusterRole, ClusterRoleFields
from convenor.domain_types.codes import Laestab, Line, Phase, Ukprn, Urn
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, Patch
from convenor.schools.models import School

SchoolKey = Annotated[Line, Field(description="URN or id of the school.")]


class MembershipCreate(InputModel, stored_as=ClusterMembership, resolved={"school"}):
    """A school joins a cluster."""

    school: SchoolKey
    valid_from: FullDate = Field(description="Its first day in the cluster.")
    valid_to: FullDate | None = Field(
        None, description="The first day on which it is no longer in the cluster, where known."
    )


class MembershipUpdate(Patch, stored_as=ClusterMembership):
    """A school leaves a cluster."""

    valid_to: FullDate | None = Field(
        None, description="The first day on which it is no longer in the cluster; null removes an end."
    )


class ClusterRoleCreate(ClusterRoleFields, InputModel, stored_as=ClusterRole, resolved={"school"}):
    """A person takes up a role in a cluster."""

    school: Line | None = Field(None, description="URN or id of the school that the holder comes from.")


class ClusterRoleUpdate(Patch, stored_as=ClusterRole):
    """A person gives up a role in a cluster."""

    valid_to: FullDate | None = Field(
        None, description="The first day on which the holder no longer has the role; null removes an end."
    )


class ClusterInto(ClusterFields, InputModel, stored_as=Cluster):
    """A cluster that results from a merger or a split."""


class MergeCreate(InputModel, resolved={"clusters", "into", "on"}):
    """Several clusters become one."""

    clusters: list[Line] = Field(min_length=2, max_length=50, description="Codes or ids of the clusters that merge.")
    into: ClusterInto = Field(description="The cluster that results.")
    on: FullDate = Field(description="The day from which it replaces them.")


class SplitInto(ClusterInto, resolved={"schools"}):
    """One of the clusters that result from a split, with its schools."""

    schools: list[SchoolKey] = Field(max_length=500, description="Its schools, by URN or id.")


class SplitCreate(InputModel, resolved={"into", "on"}):
    """One cluster becomes several. Place each of its schools in exactly one of them."""

    into: list[SplitInto] = Field(min_length=2, max_length=50, description="The clusters that result.")
    on: FullDate = Field(description="The day from which they replace it.")


class SuccessorCreate(InputModel, stored_as=School, columns={"on": "opened_on"}, resolved={"phase"}):
    """The school that replaces another, for example on academy conversion."""

    urn: Urn = Field(description="The successor's own URN.")
    name: Line = Field(description="The successor's name.")
    phase: Phase | None = Field(None, description="Phase of education. If left out, that of the predecessor.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    laestab: Laestab | None = Field(None, description="LA code and establishment number.")
    on: FullDate = Field(description="The successor's first day, from which the predecessor is closed.")
