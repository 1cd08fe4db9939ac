"""The queries of the rules of referrals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    Uuid,
    and_,
    any_,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from convenor.clusters.models import ClusterMembership
from convenor.commissioned_services.models import ServiceCluster
from convenor.database.constraints import valid_on
from convenor.domain_types.dates import today
from convenor.pupils.models import Pupil, PupilStatement
from convenor.referrals.models import Referral


async def cluster_of(session: AsyncSession, area: UUID, school: UUID) -> UUID | None:
    """Return the cluster that a school is in today."""
    found = await session.scalars(
        select(col(ClusterMembership.cluster_id)).where(
            col(ClusterMembership.area_id) == area,
            col(ClusterMembership.school_id) == school,
            text(valid_on("cluster_membership", ":day")).bindparams(day=today()),
        )
    )
    return found.first()


async def buys(session: AsyncSession, area: UUID, cluster: UUID, service: UUID) -> bool:
    """Tell whether a cluster buys a service today."""
    day = today()
    bought = await session.scalars(
        select(col(ServiceCluster.id)).where(
            col(ServiceCluster.area_id) == area,
            col(ServiceCluster.service_id) == service,
            col(ServiceCluster.cluster_id) == cluster,
            text(valid_on("service_cluster", ":day")).bindparams(day=day),
        )
    )
    return bought.first() is not None


async def lock_pupils(session: AsyncSession, area: UUID, school: UUID) -> None:
    """Lock the pupils of a school until the transaction ends, so that nobody else joins or parts them."""
    await session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:pupils, 0))"), {"pupils": f"pupils of {area}/{school}"}
    )


@dataclass(frozen=True, slots=True)
class Known:
    """A referral about a pupil, and the statement in force."""

    statement: PupilStatement
    referral: Referral
    own: Pupil | None = None
    """The pupil that came with this referral, if one did."""


async def known_sharing(session: AsyncSession, statement: PupilStatement, referral: Referral) -> list[Known]:
    """Find the referrals of every pupil of the school that a statement can concern.

    These are the pupils who share a number with it, the pupil of its referral so far, and the one it is the same as.
    """
    one = aliased(PupilStatement)
    shares = [
        col(getattr(one, name)) == getattr(statement, name)
        for name in ("upn", "temporary_upn", "nhs_number")
        if getattr(statement, name)
    ]
    named = [key for key in (referral.id, referral.same_as_id) if key]
    pupils = select(col(one.pupil_id)).where(
        *_in_force(one, statement), or_(*shares, col(one.referral_id) == any_(literal(named, ARRAY(Uuid))))
    )
    return await _known(session, statement, col(PupilStatement.pupil_id).in_(pupils))


async def known_of_birth(session: AsyncSession, statement: PupilStatement) -> list[Known]:
    """Find the school's referrals of pupils with the date of birth of a statement."""
    return await _known(session, statement, col(PupilStatement.date_of_birth) == statement.date_of_birth)


async def _known(session: AsyncSession, of: PupilStatement, condition: ColumnElement[bool]) -> list[Known]:
    referral = and_(
        col(Referral.area_id) == col(PupilStatement.area_id), col(Referral.id) == col(PupilStatement.referral_id)
    )
    own = and_(col(Pupil.area_id) == col(Referral.area_id), col(Pupil.referral_id) == col(Referral.id))
    found = await session.execute(
        select(PupilStatement, Referral, Pupil)
        .join(Referral, referral)
        .outerjoin(Pupil, own)
        .where(*_in_force(PupilStatement, of), condition)
        .order_by(col(Referral.submitted_at), col(Referral.id))
    )
    return [Known(row[0], row[1], row[2]) for row in found]


def _in_force(row: type[PupilStatement], of: PupilStatement) -> list[ColumnElement[bool]]:
    return [
        col(row.area_id) == of.area_id,
        col(row.school_id) == of.school_id,
        col(row.superseded_at).is_(None),
    ]


async def own_pupil(session: AsyncSession, referral: Referral) -> Pupil | None:
    """Find the pupil that came with a referral."""
    found: Pupil | None = await session.scalar(
        select(Pupil).where(col(Pupil.area_id) == referral.area_id, col(Pupil.referral_id) == referral.id)
    )
    return found


async def open_beside(session: AsyncSession, referral: Referral) -> Sequence[Referral]:
    """Find the other open referrals of a referral's pupil to its service."""
    found = await session.scalars(
        select(Referral).where(
            col(Referral.area_id) == referral.area_id,
            col(Referral.service_id) == referral.service_id,
            col(Referral.pupil_id) == referral.pupil_id,
            col(Referral.ended_at).is_(None),
            col(Referral.id) != referral.id,
        )
    )
    return found.all()


async def follow_referrals(session: AsyncSession, area: UUID, referrals: Sequence[UUID]) -> None:
    """Let all statements of these referrals name the pupil that their referral now has."""
    await session.execute(
        update(PupilStatement)
        .where(
            col(PupilStatement.area_id) == area,
            col(PupilStatement.referral_id) == any_(literal(list(referrals), ARRAY(Uuid))),
            col(PupilStatement.area_id) == col(Referral.area_id),
            col(PupilStatement.referral_id) == col(Referral.id),
            col(PupilStatement.pupil_id) != col(Referral.pupil_id),
        )
        .values(pupil_id=col(Referral.pupil_id))
        .execution_options(synchronize_session=False)
    )


async def referrals_coded(
    session: AsyncSession, area: UUID, school: UUID, codes: Collection[str]
) -> Mapping[str, UUID]:
    """Return the ids of a school's referrals about a pupil that have these codes."""
    found = await session.execute(
        select(col(Referral.code), col(Referral.id)).where(
            col(Referral.area_id) == area,
            col(Referral.school_id) == school,
            col(Referral.pupil_id).is_not(None),
            col(Referral.code) == any_(literal(list(codes), ARRAY(Text))),
        )
    )
    return {row[0]: row[1] for row in found}
