"""What may happen to a cluster by itself. Who is in it, mergers and splits are `memberships`'."""

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.areas.rules import area_of
from convenor.clusters.models import Cluster
from convenor.clusters.resource import CLUSTERS
from convenor.clusters.schemas import ClusterCreate
from convenor.kit.db import driver_connection
from convenor.kit.errors import Faults, NotFound
from convenor.kit.principal import Principal
from convenor.kit.reading.run import find


async def create_cluster(session: AsyncSession, principal: Principal, data: ClusterCreate) -> Cluster:
    """Founds a cluster without schools.

    Raises:
        Invalid: for an area that is not the caller's.
    """
    faults = Faults()
    area = await area_of(session, principal, data, faults)
    faults.refuse()
    assert area
    cluster = Cluster(area_id=area, **data.model_dump(exclude={"area"}))
    session.add(cluster)
    return cluster


async def load_cluster(session: AsyncSession, principal: Principal, key: str) -> Cluster:
    """The cluster of an id or code, locked until the transaction ends.

    Raises:
        NotFound: when it is absent or not of the caller's area.
    """
    found = await find(await driver_connection(session), principal, CLUSTERS, key)
    if found is None:
        raise NotFound
    return await session.get_one(Cluster, found, with_for_update=True)
