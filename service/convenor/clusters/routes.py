"""Clusters over REST."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.clusters import rules
from convenor.clusters.models import Cluster
from convenor.clusters.resource import CLUSTERS, ClusterRead
from convenor.clusters.schemas import ClusterCreate, ClusterUpdate
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route
from convenor.http.write_routes import WriteContext, writes
from convenor.read_model.locking import get_for_update

router = APIRouter(tags=["clusters"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/clusters", CLUSTERS),
    record_route("/v1/clusters/{id}", CLUSTERS),
]


@router.post("/v1/clusters", status_code=201, response_model=ClusterRead)
async def create_cluster(
    data: ClusterCreate, write: Annotated[WriteContext, writes("clusters:write", "clusters:create", creates=True)]
) -> Response:
    """Founds a cluster; its schools join it afterwards."""
    cluster = await rules.create_cluster(write.session, write.principal, data)
    return await write.created(CLUSTERS, cluster.id)


@router.patch("/v1/clusters/{id}", response_model=ClusterRead)
async def update_cluster(
    id: str,  # noqa: A002 - the name in the path
    data: ClusterUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:update", changes=True)],
) -> Response:
    """Describes a cluster."""
    cluster = await get_for_update(write.session, write.principal, CLUSTERS, Cluster, id)
    write.check_version(cluster)
    cluster.sqlmodel_update(data.given())
    cluster.version += 1
    write.note_changes(data)
    return await write.changed(CLUSTERS, cluster.id)
