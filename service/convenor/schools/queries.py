"""The queries of schools that succeed each other, and the lock on their pupils."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LINE = text(
    """
    with recursive later as (
        select id, successor_id from school where area_id = :area and id = :school
        union all
        select s.id, s.successor_id from school s join later l on s.area_id = :area and s.id = l.successor_id
    ), line as (
        select id from later where successor_id is null
        union all
        select s.id from school s join line l on s.area_id = :area and s.successor_id = l.id
    )
    select id from line
    """
)


async def line_of(session: AsyncSession, area: UUID, school: UUID) -> Sequence[UUID]:
    """Return the schools whose pupils are one school's today: the last successor, then all of its predecessors."""
    found = await session.scalars(_LINE, {"area": area, "school": school})
    return found.all()


async def lock_pupils(session: AsyncSession, area: UUID, school: UUID) -> Sequence[UUID]:
    """Lock the pupils of a school's line until the transaction ends, so that nobody else joins or parts them.

    Returns:
        The line, see `line_of`.
    """
    locked, line = None, await line_of(session, area, school)
    while line[0] != locked:
        locked = line[0]
        await session.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:pupils, 0))"), {"pupils": f"pupils of {area}/{locked}"}
        )
        # While this waited, the school may have got a successor.
        line = await line_of(session, area, school)
    return line
