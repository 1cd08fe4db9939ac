"""The rules of cluster membership: joining, leaving, conversion of a school, and roles in a cluster."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.clusters.models import Cluster, ClusterMembership, ClusterRole
from convenor.clusters.resource import CLUSTERS
from convenor.clusters.rules import ended
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import today
from convenor.memberships import queries
from convenor.memberships.resource import MEMBERSHIPS, ROLES
from convenor.memberships.schemas import (
    ClusterRoleCreate,
    ClusterRoleUpdate,
    MembershipCreate,
    MembershipUpdate,
    SuccessorCreate,
)
from convenor.problems import FieldErrors, StateConflict
from convenor.read_model.execute import resolve_reference
from convenor.read_model.locking import get_for_update, lock, resolve
from convenor.schools.models import School, SchoolStatus
from convenor.schools.queries import lock_pupils
from convenor.schools.resource import SCHOOLS
from convenor.security.principal import Principal


async def join_cluster(
    session: AsyncSession, principal: Principal, key: str, data: MembershipCreate
) -> ClusterMembership:
    """Add a school to a cluster from a given day.

    Raises:
        NotFound: the cluster is outside the caller's area.
        Invalid: the school is outside the cluster's area, or the dates contradict each other or the cluster's.
        StateConflict: the school is in a cluster in that period, or the school or the cluster has ended.
    """
    cluster, errors = await get_for_update(session, principal, CLUSTERS, Cluster, key), FieldErrors()
    school = await _school(session, principal, cluster, data.school, errors)
    errors.ends_after(data.valid_from, data.valid_to)
    if cluster.valid_from and data.valid_from < cluster.valid_from:
        errors.add("/valid_from", "before_cluster", f"The cluster began on {cluster.valid_from}.")
    errors.raise_if_any()
    assert school
    membership = ClusterMembership(
        area_id=cluster.area_id,
        cluster_id=cluster.id,
        school_id=school,
        **data.columns(),
    )
    await _refuse_contradictions(session, cluster, membership)
    session.add(membership)
    return membership


async def load_membership(session: AsyncSession, principal: Principal, key: str) -> ClusterMembership:
    """Load the membership of an id, locked with its cluster and its school until the transaction ends.

    Raises:
        NotFound: there is none, or it is outside the caller's area.
    """
    found = await resolve(session, principal, MEMBERSHIPS, key)
    membership = await session.get_one(ClusterMembership, found)
    await lock(session, Cluster, (membership.area_id, membership.cluster_id))
    await lock(session, School, (membership.area_id, membership.school_id))
    return await lock(session, ClusterMembership, found)


async def end_membership(
    session: AsyncSession, _principal: Principal, membership: ClusterMembership, data: MembershipUpdate
) -> None:
    """Set, move or remove the end of a membership.

    Raises:
        Invalid: the end does not lie after the start.
        StateConflict: the school would be in two clusters, or in one that has ended.
    """
    errors = FieldErrors()
    errors.ends_after(membership.valid_from, data.valid_to)
    errors.raise_if_any()
    cluster = await session.get_one(Cluster, (membership.area_id, membership.cluster_id))
    wanted = ClusterMembership(**membership.model_dump() | data.columns())
    await _refuse_contradictions(session, cluster, wanted)
    membership.sqlmodel_update(data.columns())
    membership.version += 1


async def convert_school(session: AsyncSession, principal: Principal, key: str, data: SuccessorCreate) -> School:
    """Close a school and open its successor, which replaces it in its cluster.

    Returns:
        The successor.

    Raises:
        NotFound: the school is outside the caller's area.
        StateConflict: the school is already closed.
        Invalid: the day contradicts what is recorded of the school.
    """
    school, errors = await get_for_update(session, principal, SCHOOLS, School, key), FieldErrors()
    if school.successor_id or school.closed_on or school.status == SchoolStatus.CLOSED:
        raise StateConflict("This school is already closed.")
    memberships = await queries.memberships_of(session, school, data.on)
    if data.on > today():
        errors.add("/on", "future_date", "A conversion cannot lie in the future. Record it on its day or later.")
    errors.ends_after(school.opened_on, data.on, "/on")
    if any(membership.valid_from and membership.valid_from >= data.on for membership in memberships):
        errors.add("/on", "later_membership", "The school joined a cluster on that day or later.")
    errors.raise_if_any()
    phase = data.phase or school.phase
    # The successor continues the school's pupils, so that nobody else joins or parts them meanwhile.
    await lock_pupils(session, school.area_id, school.id)
    successor = School(area_id=school.area_id, status=SchoolStatus.OPEN, phase=phase, **data.columns())
    session.add(successor)
    await session.flush()
    school.status, school.closed_on, school.successor_id = SchoolStatus.CLOSED, data.on, successor.id
    school.version += 1
    for membership in memberships:
        session.add(
            ClusterMembership(
                area_id=school.area_id,
                cluster_id=membership.cluster_id,
                school_id=successor.id,
                valid_from=data.on,
                valid_to=membership.valid_to,
            )
        )
        membership.valid_to, membership.version = data.on, membership.version + 1
    return successor


async def take_up_role(session: AsyncSession, principal: Principal, key: str, data: ClusterRoleCreate) -> ClusterRole:
    """Record who holds a role in a cluster.

    Raises:
        NotFound: the cluster is outside the caller's area.
        Invalid: the school is outside the cluster's area, or the end does not lie after the start.
        StateConflict: the cluster has ended.
    """
    cluster, errors = await get_for_update(session, principal, CLUSTERS, Cluster, key), FieldErrors()
    school = await _school(session, principal, cluster, data.school, errors) if data.school else None
    errors.ends_after(data.valid_from, data.valid_to)
    errors.raise_if_any()
    role = ClusterRole(area_id=cluster.area_id, cluster_id=cluster.id, school_id=school, **data.columns())
    _refuse_after_end(cluster, role)
    session.add(role)
    return role


async def load_role(session: AsyncSession, principal: Principal, key: str) -> ClusterRole:
    """Load the role of an id, locked with its cluster until the transaction ends.

    Raises:
        NotFound: there is none, or it is outside the caller's area.
    """
    found = await resolve(session, principal, ROLES, key)
    role = await session.get_one(ClusterRole, found)
    await lock(session, Cluster, (role.area_id, role.cluster_id))
    return await lock(session, ClusterRole, found)


async def give_up_role(
    session: AsyncSession, _principal: Principal, role: ClusterRole, data: ClusterRoleUpdate
) -> None:
    """Set, move or remove the end of a role.

    Raises:
        Invalid: the end does not lie after the start.
        StateConflict: the cluster ends before the role would.
    """
    errors = FieldErrors()
    errors.ends_after(role.valid_from, data.valid_to)
    errors.raise_if_any()
    cluster = await session.get_one(Cluster, (role.area_id, role.cluster_id))
    role.sqlmodel_update(data.columns())
    _refuse_after_end(cluster, role)
    role.version += 1


async def _school(
    session: AsyncSession, principal: Principal, cluster: Cluster, key: str, errors: FieldErrors
) -> UUID | None:
    found = await resolve_reference(await driver_connection(session), principal, SCHOOLS, key, cluster.area_id)
    if found is None:
        errors.unknown("/school", "school")
        return None
    return found[1]


async def _refuse_contradictions(session: AsyncSession, cluster: Cluster, wanted: ClusterMembership) -> None:
    """Refuse a membership that contradicts the school, the cluster or another membership.

    No exclusion constraint keeps memberships apart, so the school's row is locked while they are compared.
    """
    school = await lock(session, School, (wanted.area_id, wanted.school_id))
    if school.closed_on and wanted.valid_from and wanted.valid_from >= school.closed_on:
        raise StateConflict(f"The school is closed from {school.closed_on}. Its successor may join.")
    _refuse_after_end(cluster, wanted)
    other = await queries.overlapping(session, wanted)
    if other:
        code, membership = other
        until = f" until {membership.valid_to}" if membership.valid_to else ""
        since = f" from {membership.valid_from}" if membership.valid_from else ""
        raise StateConflict(f"The school is in cluster {code}{since}{until}. End that membership first.")


def _refuse_after_end(cluster: Cluster, wanted: ClusterMembership | ClusterRole) -> None:
    if cluster.valid_to and (wanted.valid_to is None or wanted.valid_to > cluster.valid_to):
        raise StateConflict(ended(cluster))
