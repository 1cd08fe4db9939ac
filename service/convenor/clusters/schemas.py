"""The bodies that create and change clusters."""

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.clusters.models import Cluster, ClusterFields, Development
from convenor.domain_types.codes import Line, Prose
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import Patch, optional_field


class ClusterCreate(ClusterFields, InArea, stored_as=Cluster):
    """A new cluster."""

    valid_from: FullDate | None = Field(None, description="Its first day. Leave it out if it is not known.")


class ClusterUpdate(Patch, stored_as=Cluster):
    """Changes to a cluster. Its code identifies it and cannot change; it ends by a merger or a split."""

    name: Line | None = optional_field(ClusterFields, "name")
    development: Development | None = optional_field(ClusterFields, "development")
    note: Prose | None = optional_field(ClusterFields, "note")
