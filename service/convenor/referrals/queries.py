"""The queries of the rules of referrals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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
from convenor.pupils.resource import PUPIL_HASHES
from convenor.read_model.sealed_rows import seal_stored, sealer_of
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


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A referral about a pupil, and the statement in force."""

    statement: PupilStatement
    referral: Referral
    own: Pupil | None = None
    """The pupil that came with this referral, if one did."""


async def known_concerned(
    session: AsyncSession,
    area: UUID,
    schools: Collection[UUID],
    numbers: Mapping[str, str],
    referrals: Collection[UUID],
) -> list[Known]:
    """Find the referrals of every pupil that a statement can concern.

    Args:
        session: in the caller's transaction.
        area: of the schools.
        schools: whose statements are one organisation's.
        numbers: the numbers that it states, by column. Their pupils are concerned.
        referrals: its own referral and the one that it is the same as. Their pupils are concerned too.
    """
    one = aliased(PupilStatement)
    sealer = sealer_of(session)
    shares = [
        col(getattr(one, f"{name}_hash")) == sealer.hash(PUPIL_HASHES[name], number) for name, number in numbers.items()
    ]
    pupils = select(col(one.pupil_id)).where(
        *_in_force(one, area, schools),
        or_(*shares, col(one.referral_id) == any_(literal(list(referrals), ARRAY(Uuid)))),
    )
    return await _known(session, area, schools, col(PupilStatement.pupil_id).in_(pupils))


async def known_of_birth(session: AsyncSession, area: UUID, schools: Collection[UUID], born: date) -> list[Known]:
    """Find the referrals of pupils with a date of birth."""
    hashed = sealer_of(session).hash(PUPIL_HASHES["date_of_birth"], born)
    return await _known(session, area, schools, col(PupilStatement.date_of_birth_hash) == hashed)


async def _known(
    session: AsyncSession, area: UUID, schools: Collection[UUID], condition: ColumnElement[bool]
) -> list[Known]:
    referral = and_(
        col(Referral.area_id) == col(PupilStatement.area_id), col(Referral.id) == col(PupilStatement.referral_id)
    )
    own = and_(col(Pupil.area_id) == col(Referral.area_id), col(Pupil.referral_id) == col(Referral.id))
    found = await session.execute(
        select(PupilStatement, Referral, Pupil)
        .join(Referral, referral)
        .outerjoin(Pupil, own)
        .where(*_in_force(PupilStatement, area, schools), condition)
        .order_by(col(Referral.submitted_at), col(Referral.id))
    )
    return [Known(row[0], row[1], row[2]) for row in found]


def _in_force(row: type[PupilStatement], area: UUID, schools: Collection[UUID]) -> list[ColumnElement[bool]]:
    return [
        col(row.area_id) == area,
        col(row.school_id) == any_(literal(list(schools), ARRAY(Uuid))),
        col(row.superseded_at).is_(None),
    ]


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


async def seal_statements(session: AsyncSession, area: UUID, schools: Collection[UUID]) -> None:
    """Seal what an older release stored in plain form of these schools, so that it is matched by its hashes."""
    of_schools = col(PupilStatement.school_id) == any_(literal(list(schools), ARRAY(Uuid)))
    not_sealed = col(PupilStatement.sealed_identity).is_(None)
    await seal_stored(session, PupilStatement, [col(PupilStatement.area_id) == area, of_schools, not_sealed])


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
    session: AsyncSession, area: UUID, schools: Collection[UUID], codes: Collection[str]
) -> Mapping[str, UUID]:
    """Return the ids of the referrals about a pupil from these schools that have these codes."""
    found = await session.execute(
        select(col(Referral.code), col(Referral.id)).where(
            col(Referral.area_id) == area,
            col(Referral.school_id) == any_(literal(list(schools), ARRAY(Uuid))),
            col(Referral.pupil_id).is_not(None),
            col(Referral.code) == any_(literal(list(codes), ARRAY(Text))),
        )
    )
    return {row[0]: row[1] for row in found}
