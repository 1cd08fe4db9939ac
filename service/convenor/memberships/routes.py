"""Who is in a cluster, over REST: joining, leaving, conversion, merger and split."""

from typing import Annotated

from starlette.responses import Response

from convenor.clusters.resource import CLUSTERS, ClusterRead
from convenor.clusters.routes import TAG
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter
from convenor.http.write_context import WriteContext
from convenor.memberships import reorganisation, rules
from convenor.memberships.resource import CLUSTER_SCHOOLS, MEMBERSHIPS, ROLES, ClusterRoleRead, MembershipRead
from convenor.memberships.schemas import (
    ClusterRoleCreate,
    ClusterRoleUpdate,
    MembershipCreate,
    MembershipUpdate,
    MergeCreate,
    SplitCreate,
    SuccessorCreate,
)
from convenor.schools.resource import SCHOOLS, SchoolRead

router = ResourceRouter(TAG)
router.add_sublist("/v1/clusters/{cluster_id}/schools", CLUSTERS, "schools", CLUSTER_SCHOOLS)
router.add_sublist("/v1/clusters/{cluster_id}/roles", CLUSTERS, "roles", ROLES)
router.add_list("/v1/cluster-memberships", MEMBERSHIPS)
router.add_record("/v1/cluster-memberships/{membership_id}", MEMBERSHIPS)
router.add_record("/v1/cluster-roles/{role_id}", ROLES)


@router.post("/v1/clusters/{cluster_id}/schools", status_code=201, response_model=MembershipRead)
async def join_cluster(
    cluster_id: str,
    data: MembershipCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:join", creates=True)],
) -> Response:
    """Add a school to a cluster from a date. A school that moves leaves its present cluster first."""
    membership = await rules.join_cluster(write.session, write.principal, cluster_id, data)
    return await write.created(MEMBERSHIPS, membership.id, "/v1/cluster-memberships")


@router.patch("/v1/cluster-memberships/{membership_id}", response_model=MembershipRead)
async def end_membership(
    membership_id: str,
    data: MembershipUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:leave", changes=True)],
) -> Response:
    """End a school's membership of its cluster on a date."""
    membership = await rules.load_membership(write.session, write.principal, membership_id)
    return await write.update(MEMBERSHIPS, membership, data, rules.end_membership)


@router.post("/v1/clusters/{cluster_id}/roles", status_code=201, response_model=ClusterRoleRead)
async def take_up_role(
    cluster_id: str,
    data: ClusterRoleCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:appoint", creates=True)],
) -> Response:
    """Record who holds a role in a cluster."""
    role = await rules.take_up_role(write.session, write.principal, cluster_id, data)
    return await write.created(ROLES, role.id, "/v1/cluster-roles")


@router.patch("/v1/cluster-roles/{role_id}", response_model=ClusterRoleRead)
async def give_up_role(
    role_id: str,
    data: ClusterRoleUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:dismiss", changes=True)],
) -> Response:
    """End a person's role in a cluster on a date."""
    role = await rules.load_role(write.session, write.principal, role_id)
    return await write.update(ROLES, role, data, rules.give_up_role)


@router.post("/v1/clusters/merge", status_code=201, response_model=ClusterRead)
async def merge_clusters(
    data: MergeCreate, write: Annotated[WriteContext, writes("clusters:write", "clusters:merge", creates=True)]
) -> Response:
    """Merge clusters into a new one from a date. Returns the new cluster."""
    merged, ended = await reorganisation.merge_clusters(write.session, write.principal, data)
    return await write.created(CLUSTERS, merged.id, also=[cluster.id for cluster in ended])


@router.post("/v1/clusters/{cluster_id}/split", status_code=201, response_model=ClusterRead)
async def split_cluster(
    cluster_id: str,
    data: SplitCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:split", creates=True)],
) -> Response:
    """Split a cluster into several from a date. Returns the cluster that ends, with its successors."""
    ended, opened = await reorganisation.split_cluster(write.session, write.principal, cluster_id, data)
    return await write.changed(CLUSTERS, ended.id, 201, also=[cluster.id for cluster in opened])


@router.post("/v1/schools/{urn}/successor", status_code=201, response_model=SchoolRead, tags=["schools"])
async def convert_school(
    urn: str,
    data: SuccessorCreate,
    write: Annotated[WriteContext, writes("schools:write", "schools:convert", creates=True)],
) -> Response:
    """Close a school and open its successor in the same cluster. Returns the successor."""
    successor = await rules.convert_school(write.session, write.principal, urn, data)
    return await write.created(SCHOOLS, successor.id)


FEATURE = Feature(router)
