"""What a body says of a pupil, as the columns of a statement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.codes import is_temporary_upn
from convenor.problems import FieldErrors
from convenor.referrals import queries
from convenor.referrals.schemas import PupilCreate, PupilUpdate


def stated(pupil: PupilCreate | PupilUpdate) -> dict[str, Any]:
    """Return the columns of a statement, a temporary UPN apart from a permanent one.

    A permanent UPN follows a temporary one, which then stays known.
    """
    columns = pupil.columns()
    if "upn" in columns:
        upn = columns["upn"]
        if upn is None:
            columns["temporary_upn"] = None
        elif is_temporary_upn(upn):
            columns |= {"upn": None, "temporary_upn": upn}
    return columns


async def answers_of(
    session: AsyncSession,
    area: UUID,
    schools: Sequence[UUID],
    same_as: str | None,
    not_the_same_as: Sequence[str],
    errors: FieldErrors,
    itself: str | None = None,
) -> dict[str, Any]:
    """Check the codes in `same_as` and `not_the_same_as`, and return them as columns of a statement.

    Args:
        session: in the caller's transaction.
        area: of the schools.
        schools: whose referrals may be named.
        same_as, not_the_same_as: as they were sent.
        errors: gets what is wrong.
        itself: the code of the referral that is corrected.
    """
    codes = [*filter(None, [same_as]), *not_the_same_as]
    if not codes:
        return {}
    known = await queries.referrals_coded(session, area, schools, codes)
    pointers = {"/same_as": same_as} if same_as else {}
    pointers |= {f"/not_the_same_as/{at}": code for at, code in enumerate(not_the_same_as)}
    for pointer, code in pointers.items():
        if code not in known:
            errors.unknown(pointer, "referral")
        elif code == itself:
            errors.add(pointer, "itself", "This is the referral itself. Name others.")
        elif code == same_as and pointer != "/same_as":
            errors.add(
                pointer, "contradicts_same_as", "`same_as` names this referral too. Leave it out of one of both."
            )
    return {
        "same_as_id": known.get(same_as) if same_as else None,
        "not_the_same_as_ids": sorted({known[code] for code in not_the_same_as if code in known}) or None,
    }
