"""What comes in about clusters."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.clusters.models import ClusterFields, Development
from convenor.domain_types.codes import Line, Prose
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import NotNullable, Patch


class ClusterCreate(ClusterFields, InArea):
    """A new cluster."""

    valid_from: FullDate | None = Field(None, description="Its first day; leave it out where not known.")


class ClusterUpdate(Patch):
    """What may change about a cluster. Its code names it and stays; it ends by a merger or a split."""

    name: Annotated[Line | None, NotNullable] = Field(None, description="The cluster's name.")
    development: Development | None = Field(None, description="How far it has come.")
    note: Prose | None = Field(None, description="What the sources say of it.")
