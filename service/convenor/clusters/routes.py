"""Clusters over REST."""

from typing import Annotated

from starlette.responses import Response

from convenor.clusters import rules
from convenor.clusters.models import Cluster
from convenor.clusters.resource import CLUSTERS, ClusterRead
from convenor.clusters.schemas import ClusterCreate, ClusterUpdate
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.read_model.locking import get_for_update

TAG = Tag(
    "clusters", "Groups of schools that pool funding and buy services together, with their schools and role holders."
)

router = ResourceRouter(TAG)
router.add_list("/v1/clusters", CLUSTERS)
router.add_record("/v1/clusters/{cluster_id}", CLUSTERS)


@router.post("/v1/clusters", status_code=201, response_model=ClusterRead)
async def create_cluster(
    data: ClusterCreate, write: Annotated[WriteContext, writes("clusters:write", "clusters:create", creates=True)]
) -> Response:
    """Create a cluster without schools. Schools join it afterwards."""
    cluster = await rules.create_cluster(write.session, write.principal, data)
    return await write.created(CLUSTERS, cluster.id)


@router.patch("/v1/clusters/{cluster_id}", response_model=ClusterRead)
async def update_cluster(
    cluster_id: str,
    data: ClusterUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:update", changes=True)],
) -> Response:
    """Update a cluster."""
    cluster = await get_for_update(write.session, write.principal, CLUSTERS, Cluster, cluster_id)
    return await write.update(CLUSTERS, cluster, data)


FEATURE = Feature(router)
