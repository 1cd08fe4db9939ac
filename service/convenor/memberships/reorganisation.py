"""Mergers and splits: clusters end and others replace them, and the history keeps its dates.

On the day, the old clusters, their memberships, roles and purchases end. Memberships and purchases continue in the new
clusters, with the ends that they had. Role holders are appointed anew. Referrals keep the cluster they were made in.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.clusters.models import Cluster, ClusterMembership, ClusterRole, ClusterSuccession, SuccessionKind
from convenor.clusters.resource import CLUSTERS
from convenor.clusters.rules import ended
from convenor.commissioned_services.models import ServiceCluster
from convenor.database.pools import driver_connection
from convenor.memberships import queries
from convenor.memberships.schemas import ClusterInto, MergeCreate, SplitCreate
from convenor.problems import FieldErrors, StateConflict
from convenor.read_model.execute import resolve_references
from convenor.read_model.locking import get_for_update, lock_all
from convenor.schools.models import School
from convenor.schools.resource import SCHOOLS
from convenor.security.principal import Principal


@dataclass
class Ending:
    """A cluster that is to end, with the rows that hold in it on that day or later; all of them locked."""

    cluster: Cluster
    members: Sequence[ClusterMembership]
    purchases: Sequence[ServiceCluster]
    roles: Sequence[ClusterRole]


async def merge_clusters(
    session: AsyncSession, principal: Principal, data: MergeCreate
) -> tuple[Cluster, list[Cluster]]:
    """Merge several clusters into one.

    Returns:
        The new cluster, and those that ended.

    Raises:
        Invalid: names every cluster that is unknown, repeated or ended, and a day that is too early.
    """
    errors = FieldErrors()
    named = await _clusters(session, principal, data.clusters, errors)
    clusters = await lock_all(session, Cluster, named.keys())
    endings = []
    if clusters:
        await queries.lock_services(session, clusters, data.on)
        await queries.lock_members(session, clusters, data.on)
        endings = [await _ending(session, cluster, data.on, errors) for cluster in clusters]
    for cluster in clusters:
        if cluster.valid_to:
            errors.add(named[cluster.area_id, cluster.id], "ended", ended(cluster))
    errors.raise_if_any()
    [merged] = await _open(session, clusters[0].area_id, [data.into], data.on)
    place = {member.school_id: merged.id for ending in endings for member in ending.members}
    await _hand_over(session, endings, [merged], place, SuccessionKind.MERGE, data.on)
    return merged, list(clusters)


async def split_cluster(
    session: AsyncSession, principal: Principal, key: str, data: SplitCreate
) -> tuple[Cluster, list[Cluster]]:
    """Split a cluster into several.

    Returns:
        The cluster that ended, and those that replace it.

    Raises:
        NotFound: the cluster is outside the caller's area.
        Invalid: names every school that is unknown, no member, placed twice or not at all, every repeated code, and
            a day that is too early.
        StateConflict: the cluster has ended.
    """
    cluster, errors = await get_for_update(session, principal, CLUSTERS, Cluster, key), FieldErrors()
    if cluster.valid_to:
        raise StateConflict(ended(cluster))
    await queries.lock_services(session, [cluster], data.on)
    await queries.lock_members(session, [cluster], data.on)
    ending = await _ending(session, cluster, data.on, errors)
    members = {member.school_id for member in ending.members}
    codes = [into.code for into in data.into]
    for at, code in enumerate(codes):
        if code in codes[:at]:
            errors.add(f"/into/{at}/code", "repeated", "Two of the clusters have this code.")
    placed = await _placed(session, principal, cluster, data, members, errors)
    missing = {(cluster.area_id, school) for school in members - placed.keys()}
    for school in await lock_all(session, School, missing):
        errors.add(
            "/into", "unplaced", f"{school.name} ({school.urn or school.id}) is not placed in any of the clusters."
        )
    errors.raise_if_any()
    successors = await _open(session, cluster.area_id, data.into, data.on)
    place = {school: successors[at].id for school, at in placed.items()}
    await _hand_over(session, [ending], successors, place, SuccessionKind.SPLIT, data.on)
    return cluster, successors


async def _clusters(
    session: AsyncSession, principal: Principal, keys: Sequence[str], errors: FieldErrors
) -> dict[tuple[UUID, UUID], str]:
    """Resolve the clusters that the body names, each with the pointer to its name."""
    named: dict[tuple[UUID, UUID], str] = {}
    resolved = await resolve_references(await driver_connection(session), principal, CLUSTERS, keys)
    for at, found in enumerate(resolved):
        if found is None or any(found[0] != area for area, _ in named):
            errors.unknown(f"/clusters/{at}", "cluster")
        elif found in named:
            errors.add(f"/clusters/{at}", "repeated", "This cluster is named twice.")
        else:
            named[found] = f"/clusters/{at}"
    return named


async def _ending(session: AsyncSession, cluster: Cluster, on: date, errors: FieldErrors) -> Ending:
    """Load the rows that hold in a cluster when it ends, and add an error if one begins on that day or later."""
    ending = Ending(
        cluster,
        await queries.holding(session, ClusterMembership, cluster, on),
        await queries.holding(session, ServiceCluster, cluster, on),
        await queries.holding(session, ClusterRole, cluster, on),
    )
    rows: list[ClusterMembership | ServiceCluster | ClusterRole] = [*ending.members, *ending.purchases, *ending.roles]
    begun = [cluster.valid_from, *(row.valid_from for row in rows)]
    latest = max((day for day in begun if day), default=None)
    if latest and latest >= on:
        errors.add("/on", "too_early", f"A record of cluster {cluster.code} begins on {latest}. Name a later day.")
    return ending


async def _placed(
    session: AsyncSession,
    principal: Principal,
    cluster: Cluster,
    data: SplitCreate,
    members: Collection[UUID],
    errors: FieldErrors,
) -> dict[UUID, int]:
    """Return, for each school, the position of its new cluster."""
    placed: dict[UUID, int] = {}
    named = [(at, number, key) for at, into in enumerate(data.into) for number, key in enumerate(into.schools)]
    resolved = await resolve_references(
        await driver_connection(session), principal, SCHOOLS, [key for *_, key in named], cluster.area_id
    )
    for (at, number, _), found in zip(named, resolved, strict=True):
        pointer = f"/into/{at}/schools/{number}"
        if found is None:
            errors.unknown(pointer, "school")
        elif found[1] not in members:
            errors.add(pointer, "not_a_member", f"This school is not in cluster {cluster.code} on that day.")
        elif found[1] in placed:
            errors.add(pointer, "placed_twice", "This school is placed twice.")
        else:
            placed[found[1]] = at
    return placed


async def _open(session: AsyncSession, area: UUID, into: Sequence[ClusterInto], on: date) -> list[Cluster]:
    clusters = [Cluster(area_id=area, valid_from=on, **described.columns()) for described in into]
    # In the order of their codes: of two calls that take the same ones, only one waits for the other.
    session.add_all(sorted(clusters, key=attrgetter("code")))
    await session.flush()
    return clusters


async def _hand_over(
    session: AsyncSession,
    endings: Sequence[Ending],
    successors: Sequence[Cluster],
    place: Mapping[UUID, UUID],
    kind: SuccessionKind,
    on: date,
) -> None:
    """End the old rows and begin the new ones. Ends are flushed first: a school has one open membership at a time."""
    area = successors[0].area_id
    memberships = [
        ClusterMembership(
            area_id=area,
            cluster_id=place[member.school_id],
            school_id=member.school_id,
            valid_from=on,
            valid_to=member.valid_to,
        )
        for ending in endings
        for member in ending.members
    ]
    purchases = [
        ServiceCluster(area_id=area, service_id=service, cluster_id=successor.id, valid_from=on, valid_to=until)
        for service, until in _bought(endings).items()
        for successor in successors
    ]
    for ending in endings:
        rows: list[Cluster | ClusterMembership | ClusterRole] = [ending.cluster, *ending.members, *ending.roles]
        for row in rows:
            row.valid_to, row.version = on, row.version + 1
        for purchase in ending.purchases:
            purchase.valid_to = on
    await session.flush()
    session.add_all([*memberships, *purchases])
    session.add_all(
        ClusterSuccession(
            area_id=area, predecessor_id=ending.cluster.id, successor_id=successor.id, kind=kind, happened_on=on
        )
        for ending in endings
        for successor in successors
    )


def _bought(endings: Sequence[Ending]) -> dict[UUID, date | None]:
    """Return the services that the ending clusters buy, each with the latest end of a purchase; None for no end."""
    ends: dict[UUID, date | None] = {}
    for purchase in (purchase for ending in endings for purchase in ending.purchases):
        known = ends.get(purchase.service_id, date.min)
        ends[purchase.service_id] = max(known, purchase.valid_to) if known and purchase.valid_to else None
    return ends
