"""The rules of a single cluster. Its members, mergers and splits are in `memberships`."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.clusters.models import Cluster
from convenor.clusters.schemas import ClusterCreate
from convenor.problems import FieldErrors
from convenor.security.principal import Principal


def ended(cluster: Cluster) -> str:
    """Say that a cluster has ended, or ends, and what to do."""
    return f"Cluster {cluster.code} is closed from {cluster.valid_to}. See its successors."


async def create_cluster(session: AsyncSession, principal: Principal, data: ClusterCreate) -> Cluster:
    """Create a cluster without schools.

    Raises:
        Invalid: the area is not the caller's.
    """
    errors = FieldErrors()
    area = await area_of(session, principal, data, errors)
    errors.raise_if_any()
    assert area
    cluster = Cluster(area_id=area, **data.columns())
    session.add(cluster)
    return cluster
