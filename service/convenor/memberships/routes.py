"""Who is in a cluster, over REST: joining, leaving, conversion, merger and split."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from convenor.clusters.resource import CLUSTERS, ClusterRead
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
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

router = APIRouter(tags=["clusters"], route_class=GuardedRoute)
read_routes = [
    sublist_route("/v1/clusters/{id}/schools", CLUSTERS, "schools", CLUSTER_SCHOOLS),
    sublist_route("/v1/clusters/{id}/roles", CLUSTERS, "roles", ROLES),
    list_route("/v1/cluster-memberships", MEMBERSHIPS),
    record_route("/v1/cluster-memberships/{id}", MEMBERSHIPS),
    record_route("/v1/cluster-roles/{id}", ROLES),
]


@router.post("/v1/clusters/{id}/schools", status_code=201, response_model=MembershipRead)
async def join_cluster(
    id: str,  # noqa: A002 - the name in the path
    data: MembershipCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:join", creates=True)],
) -> Response:
    """Puts a school into a cluster from a day on; a school that moves leaves the other first."""
    membership = await rules.join_cluster(write.session, write.principal, id, data)
    return await write.created(MEMBERSHIPS, membership.id, "/v1/cluster-memberships")


@router.patch("/v1/cluster-memberships/{id}", response_model=MembershipRead)
async def end_membership(
    id: str,  # noqa: A002
    data: MembershipUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:leave", changes=True)],
) -> Response:
    """Takes a school out of its cluster from a day on."""
    membership = await rules.load_membership(write.session, write.principal, id)
    write.check_version(membership)
    await rules.end_membership(write.session, membership, data)
    write.note_changes(data)
    return await write.changed(MEMBERSHIPS, membership.id)


@router.post("/v1/clusters/{id}/roles", status_code=201, response_model=ClusterRoleRead)
async def take_up_role(
    id: str,  # noqa: A002
    data: ClusterRoleCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:appoint", creates=True)],
) -> Response:
    """Records who holds a role in a cluster."""
    role = await rules.take_up_role(write.session, write.principal, id, data)
    return await write.created(ROLES, role.id, "/v1/cluster-roles")


@router.patch("/v1/cluster-roles/{id}", response_model=ClusterRoleRead)
async def give_up_role(
    id: str,  # noqa: A002
    data: ClusterRoleUpdate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:dismiss", changes=True)],
) -> Response:
    """Records that somebody holds a role no more from a day on."""
    role = await rules.load_role(write.session, write.principal, id)
    write.check_version(role)
    await rules.give_up_role(write.session, role, data)
    write.note_changes(data)
    return await write.changed(ROLES, role.id)


@router.post("/v1/clusters/merge", status_code=201, response_model=ClusterRead)
async def merge_clusters(
    data: MergeCreate, write: Annotated[WriteContext, writes("clusters:write", "clusters:merge", creates=True)]
) -> Response:
    """Makes one cluster of several from a day on; answers with the new one."""
    merged, ended = await reorganisation.merge_clusters(write.session, write.principal, data)
    answer = await write.created(CLUSTERS, merged.id)
    write.note.records = [merged.id, *(cluster.id for cluster in ended)]
    return answer


@router.post("/v1/clusters/{id}/split", status_code=201, response_model=ClusterRead)
async def split_cluster(
    id: str,  # noqa: A002
    data: SplitCreate,
    write: Annotated[WriteContext, writes("clusters:write", "clusters:split", creates=True)],
) -> Response:
    """Makes several clusters of one from a day on; answers with the one that ends, and names its successors."""
    ended, opened = await reorganisation.split_cluster(write.session, write.principal, id, data)
    answer = await write.changed(CLUSTERS, ended.id, status=201)
    write.note.records = [ended.id, *(cluster.id for cluster in opened)]
    return answer


@router.post("/v1/schools/{urn}/successor", status_code=201, response_model=SchoolRead, tags=["schools"])
async def convert_school(
    urn: str,
    data: SuccessorCreate,
    write: Annotated[WriteContext, writes("schools:write", "schools:convert", creates=True)],
) -> Response:
    """Closes a school and opens the one that it became, in the same cluster; answers with the successor."""
    successor = await rules.convert_school(write.session, write.principal, urn, data)
    return await write.created(SCHOOLS, successor.id)
