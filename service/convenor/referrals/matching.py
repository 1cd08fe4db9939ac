"""Match what one school states: which of its referrals are about one pupil, and what contradicts.

Statements of a school that share a number are about one pupil, whose id is that of its oldest referral. No other
school's statement is ever read (decision record 8, level one).
"""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.dates import now
from convenor.problems import FieldError, Invalid, Member, Problem
from convenor.pupils.models import Pupil, PupilStatement
from convenor.read_model.locking import lock_all
from convenor.referrals import queries
from convenor.referrals.models import Referral
from convenor.referrals.queries import Known

_NUMBERS = ("upn", "temporary_upn", "nhs_number")
_FIELDS = {"upn": "upn", "temporary_upn": "upn", "nhs_number": "nhs_number", "date_of_birth": "date_of_birth"}
"""The columns in which the statements about one pupil may not differ, each with its field."""
_DROPPED_IN_NAMES = dict.fromkeys(map(ord, " '\u2019\u02bc-\u2010\u2011"))


class AlreadyOpen(Problem):
    """This pupil already has an open referral to this service."""

    status, code, title = 409, "referral_already_open", "Referral already open"
    cause = "A pupil of a school has at most one open referral to a service. `referral` names it."
    remedy = "Follow the open referral instead, or withdraw it."
    carries = (Member("referral", str, "the open referral's code."),)

    def __init__(self, known: Known) -> None:
        self.known = (known,)
        code = known.referral.code
        super().__init__(f"This pupil already has an open referral to this service: {code}.", extra={"referral": code})


class SameNameAndBirthDate(Problem):
    """Your school has referred a pupil of the same name and date of birth, and no number tells them apart."""

    status, code, title = 409, "same_name_and_birth_date", "Same name and date of birth"
    cause = (
        "The pupil has no UPN and no NHS number in this referral, and your school's earlier referral `referral` has the"
        " same name and date of birth."
    )
    remedy = (
        "Send the code of that referral as `same_as` if it is the same pupil, or in the list `not_the_same_as` if it is"
        " another. Or send a number."
    )
    carries = (Member("referral", str, "the earlier referral's code."),)

    def __init__(self, known: Known) -> None:
        self.known = (known,)
        code = known.referral.code
        super().__init__(
            f"Your referral {code} is about a pupil of the same name and date of birth. Say with `same_as` or"
            " `not_the_same_as` whether it is this one.",
            extra={"referral": code},
        )


class Contradiction(Invalid):
    """The request has field errors; `errors` lists every one."""

    def __init__(self, known: Sequence[Known], errors: tuple[FieldError, ...]) -> None:
        self.known = known
        super().__init__(errors=errors)


async def take_first(
    session: AsyncSession, referral: Referral, statement: PupilStatement, not_the_same_as: Collection[str]
) -> None:
    """Find the pupil of a new referral by its statement, and set both.

    Args:
        session: in the caller's transaction, which holds the lock on the school's pupils.
        referral: not stored yet.
        statement: not stored yet.
        not_the_same_as: the codes of referrals that are about others of the same name and date of birth.

    Raises:
        SameNameAndBirthDate: no number tells whether this is the pupil of an earlier referral, and neither did the
            sender.
        Contradiction: the pupil would have two values of a field.
        AlreadyOpen: the pupil has an open referral to the service.
    """
    if referral.same_as_id is None and not any(getattr(statement, name) for name in _NUMBERS):
        for each in await queries.known_of_birth(session, statement):
            is_alike = _name_of(each.statement) == _name_of(statement)
            if is_alike and each.referral.code not in not_the_same_as:
                raise SameNameAndBirthDate(each)
    new = Known(statement, referral)
    groups = _by_pupil([*await _sharing(session, new), new])
    (group,) = (group for group in groups if new in group)
    _refuse_contradiction(group, new, "/subject/pupil")
    for each in group:
        if each is not new and each.referral.service_id == referral.service_id and each.referral.ended_at is None:
            raise AlreadyOpen(each)
    await _settle(session, groups, new)
    referral.statement_id = statement.id


async def take_correction(session: AsyncSession, referral: Referral, changes: dict[str, Any]) -> None:
    """Replace the statement in force of a referral by one with changes, and join or part pupils accordingly.

    Args:
        session: in the caller's transaction, which holds the lock on the school's pupils.
        referral: locked, without changes that are not flushed.
        changes: the columns of the statement that change.

    Raises:
        Contradiction: the pupil would have two values of a field.
    """
    earlier = await session.get_one(PupilStatement, (referral.area_id, referral.statement_id))
    kept = earlier.model_dump(exclude={"id", "stated_at", "superseded_at"})
    statement = PupilStatement(**kept | changes, stated_at=now())
    new = Known(statement, referral, await queries.own_pupil(session, referral))
    groups = _by_pupil([*await _sharing(session, new), new])
    (group,) = (group for group in groups if new in group)
    _refuse_contradiction(group, new, "/pupil")
    await _settle(session, groups, new)
    earlier.superseded_at = statement.stated_at
    await session.flush()
    session.add(statement)
    referral.statement_id = statement.id


async def settle_collision(session: AsyncSession, referral: Referral) -> None:
    """Release the open referrals that a referral collided with, once it has ended."""
    beside = await queries.open_beside(session, referral)
    locked = await lock_all(session, Referral, {(each.area_id, each.id) for each in beside})
    referral.collides_with = None
    await session.flush()
    _collide([each for each in locked if each.ended_at is None], referral)


async def _sharing(session: AsyncSession, new: Known) -> list[Known]:
    """Load the other referrals of all pupils that this one can concern: of those that share a key, and its own so far.

    Referrals of one pupil share keys with each other already, so that no further ones can be found through them.
    """
    known = await queries.known_sharing(session, new.statement, new.referral)
    return [each for each in known if each.referral.id != new.referral.id]


def _by_pupil(known: Sequence[Known]) -> list[list[Known]]:
    """Group referrals by pupil, in each group the oldest first."""
    groups: list[tuple[set[tuple[str, Any]], list[Known]]] = []
    for each in known:
        keys, members, apart = set(_keys_of(each)), [each], []
        for group in groups:
            if group[0].isdisjoint(keys):
                apart.append(group)
            else:
                keys, members = keys | group[0], members + group[1]
        groups = [*apart, (keys, members)]
    return [sorted(members, key=lambda known: _age_of(known.referral)) for _, members in groups]


def _keys_of(known: Known) -> Iterator[tuple[str, Any]]:
    """Return what makes two referrals be about one pupil, where both have it."""
    yield "referral", known.referral.id
    if known.referral.same_as_id:
        yield "referral", known.referral.same_as_id
    for name in _NUMBERS:
        if value := getattr(known.statement, name):
            yield name, value


def _age_of(referral: Referral) -> tuple[datetime, UUID]:
    """Return what orders referrals, the oldest first."""
    return referral.submitted_at, referral.id


def _refuse_contradiction(group: Sequence[Known], new: Known, pointer: str) -> None:
    errors: dict[str, FieldError] = {}
    concerned: list[Known] = []
    for column, name in _FIELDS.items():
        stated = [each for each in group if getattr(each.statement, column) is not None]
        if len({getattr(each.statement, column) for each in stated}) < 2:
            continue
        own = getattr(new.statement, column)
        others = [each for each in stated if each is not new and getattr(each.statement, column) != own]
        codes = " and ".join(each.referral.code for each in others)
        detail = (
            f"This contradicts your referral {codes}, which is about the same pupil by a number that you stated."
            " Correct whichever is wrong: this one, or the other with `PATCH`."
        )
        errors[name] = FieldError(f"{pointer}/{name}", "contradicts_earlier", detail)
        concerned += others
    if errors:
        raise Contradiction(concerned, tuple(errors.values()))


async def _settle(session: AsyncSession, groups: Sequence[Sequence[Known]], new: Known) -> None:
    """Give each group its pupil: that of its oldest referral, which younger pupils of the group are joined to."""
    of_referral: dict[UUID, UUID] = {}
    for group in groups:
        pupil = group[0].own or Pupil(
            area_id=new.referral.area_id, school_id=new.referral.school_id, referral_id=group[0].referral.id
        )
        session.add(pupil)
        for each in group:
            of_referral[each.referral.id] = pupil.id
            if each.own:
                each.own.joined_to = None if each.own is pupil else pupil.id
    await session.flush()
    others = [each for group in groups for each in group if each is not new]
    existing = [each.referral for each in others] + ([new.referral] if new.referral.pupil_id else [])
    if any(each.pupil_id != of_referral[each.id] for each in existing):
        await _move(session, existing, of_referral, new.referral)
    new.referral.pupil_id = new.statement.pupil_id = of_referral[new.referral.id]


async def _move(
    session: AsyncSession, referrals: Sequence[Referral], of_referral: dict[UUID, UUID], new: Referral
) -> None:
    await lock_all(session, Referral, {(each.area_id, each.id) for each in referrals})
    still_open = [each for each in referrals if each.ended_at is None]
    before = {each.id: each.collides_with for each in still_open}
    # Out of the index `one_open_referral` at first, so that no step on the way violates it.
    for each in still_open:
        each.collides_with = [""]
    await session.flush()
    for each in referrals:
        if each.pupil_id != of_referral[each.id]:
            each.pupil_id = of_referral[each.id]
            each.version += each is not new
    for each in still_open:
        each.collides_with = before[each.id]
    _collide(still_open, new)
    await session.flush()
    await queries.follow_referrals(session, new.area_id, [each.id for each in referrals])


def _collide(still_open: Sequence[Referral], changed: Referral) -> None:
    """Let open referrals of one pupil to one service name each other; the version of `changed` counts up elsewhere."""
    beside: dict[tuple[UUID | None, UUID], list[Referral]] = {}
    for each in sorted(still_open, key=_age_of):
        beside.setdefault((each.pupil_id, each.service_id), []).append(each)
    for colliding in beside.values():
        for each in colliding:
            others = [other.code for other in colliding if other is not each] or None
            if each.collides_with != others:
                each.collides_with = others
                each.version += each is not changed


def _name_of(statement: PupilStatement) -> list[str]:
    """Return what two spellings of one name have in common: given and family name in any order, accents kept."""
    names = (statement.given_name, statement.family_name or "")
    return sorted(unicodedata.normalize("NFC", name).casefold().translate(_DROPPED_IN_NAMES) for name in names)
