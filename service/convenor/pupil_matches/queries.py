"""The queries of the rules of decisions, over asyncpg's connection, as those of `linking`."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

_PUPILS = """
    select r.code, l.pupil_id from person_link l join referral r on r.area_id = l.area_id and r.id = l.referral_id
    where l.area_id = $1 and l.match_id = $2
"""
_WITHDRAW = """
    with named as (
        select d.decision_id, d.pupil_id, coalesce(p.joined_to, p.id) as present from pupil p
        join decided_pupil d on d.area_id = p.area_id and d.pupil_id = p.id and d.withdrawn_at is null
        join pupil_decision e on e.area_id = d.area_id and e.id = d.decision_id
            and e.withdrawn_at is null and e.decision <> 'unlink'
        where p.area_id = $1 and (p.id = any($2) or p.joined_to = any($2))
    )
    update decided_pupil d set withdrawn_at = now() from named n
    where d.area_id = $1 and d.decision_id = n.decision_id and d.pupil_id = n.pupil_id and n.decision_id in (
        select decision_id from named group by decision_id
        having count(distinct present) >= least(2, cardinality($2::uuid[])))
    returning d.decision_id
"""
_WITHDRAW_WHOLE = """
    update pupil_decision e set withdrawn_at = now()
    where e.area_id = $1 and e.id = any($2) and (
        select count(distinct coalesce(p.joined_to, p.id)) from decided_pupil d
        join pupil p on p.area_id = d.area_id and p.id = d.pupil_id
        where d.area_id = e.area_id and d.decision_id = e.id and d.withdrawn_at is null) < 2
"""


async def pupils_of(connection: Any, area: UUID, match: UUID) -> dict[str, UUID]:
    """Return the pupils of a match, by the codes of their referrals."""
    return {row["code"]: row["pupil_id"] for row in await connection.fetch(_PUPILS, area, match)}


async def withdraw_decisions(connection: Any, area: UUID, pupils: Collection[UUID]) -> bool:
    """Withdraw the decisions about two or more of these pupils, or about the only one, and return whether any was.

    They are withdrawn for these pupils; one that then holds for one pupil at most ends.
    """
    concerned = {row["decision_id"] for row in await connection.fetch(_WITHDRAW, area, list(pupils))}
    await connection.execute(_WITHDRAW_WHOLE, area, list(concerned))
    return bool(concerned)
