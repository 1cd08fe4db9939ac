"""The queries of the rules of decisions, over asyncpg's connection, as those of `linking`."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

_PUPILS = """
    select r.code, l.pupil_id from person_link l join referral r on r.area_id = l.area_id and r.id = l.referral_id
    where l.area_id = $1 and l.match_id = $2
"""
_WITHDRAW = """
    update pupil_decision set withdrawn_at = now()
    where area_id = $1 and withdrawn_at is null and decision <> 'unlink' and id in (
        select d.decision_id from pupil p join decided_pupil d on d.area_id = p.area_id and d.pupil_id = p.id
        where p.area_id = $1 and (p.id = any($2) or p.joined_to = any($2))
        group by d.decision_id having count(distinct coalesce(p.joined_to, p.id)) > 1)
    returning id
"""


async def pupils_of(connection: Any, area: UUID, match: UUID) -> dict[str, UUID]:
    """Return the pupils of a match, by the codes of their referrals."""
    return {row["code"]: row["pupil_id"] for row in await connection.fetch(_PUPILS, area, match)}


async def withdraw_decisions(connection: Any, area: UUID, pupils: Collection[UUID]) -> int:
    """Withdraw the decisions about two or more of these pupils, and return how many there were."""
    return len(await connection.fetch(_WITHDRAW, area, list(pupils)))
