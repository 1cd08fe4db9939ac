"""Match what one school states: which of its referrals are about one pupil, and what contradicts.

Statements of a school that share a number are about one pupil, whose id is that of its oldest referral. No other
school's statement is ever read (decision record 8, level one).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.domain_types.dates import now
from convenor.problems import FieldError
from convenor.pupils.models import Pupil, PupilStatement
from convenor.pupils.names import name_key
from convenor.read_model.locking import lock_all
from convenor.referrals import queries
from convenor.referrals.models import Referral
from convenor.referrals.queries import Known
from convenor.referrals.refusals import (
    AlreadyOpen,
    Contradiction,
    SameNameAndBirthDate,
    contradicts,
    is_one,
    temporary_after_permanent,
)

_NUMBERS = ("upn", "temporary_upn", "nhs_number")
_FIELDS = {"upn": "upn", "temporary_upn": "upn", "nhs_number": "nhs_number", "date_of_birth": "date_of_birth"}
"""The columns in which the statements about one pupil may not differ, each with its field."""
_OF_ONE_REFERRAL = ("same_as_id", "not_the_same_as_ids")
"""The columns that say whom one referral is about, whatever all of the pupil's referrals have in common."""


async def take_first(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, statement: PupilStatement
) -> list[Referral]:
    """Find the pupil of a new referral by its statement, and set both.

    Args:
        session: in the caller's transaction, which holds the lock on the schools' pupils.
        schools: see `line_of`.
        referral: not stored yet.
        statement: not stored yet.

    Returns:
        The other referrals that changed.

    Raises:
        Contradiction: the pupil would have two values of a field, or is said to be two pupils.
        SameNameAndBirthDate: no number tells whether this is the pupil of earlier referrals, and neither did the
            sender.
        AlreadyOpen: the pupil has an open referral to the service.
    """
    new = Known(statement, referral)
    known = await _judge(session, schools, new, "/subject/pupil")
    groups = _by_pupil(known)
    for each in _group_of(new, groups):
        if each is not new and each.referral.service_id == referral.service_id and each.referral.ended_at is None:
            raise AlreadyOpen(each)
    before = _shown(known)
    await _settle(session, groups, [new])
    referral.statement_id = statement.id
    return _count_up(before, new)


async def judge_statement(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, statement: PupilStatement
) -> None:
    """Refuse a statement that the schools' own contradict, or that leaves open who is meant, and store nothing.

    Args:
        session, schools: see `take_first`.
        referral, statement: never stored.

    Raises:
        Contradiction, SameNameAndBirthDate: see `take_first`.
    """
    await _judge(session, schools, Known(statement, referral), "/pupil")


async def take_continued(session: AsyncSession, schools: Sequence[UUID], news: Sequence[Known]) -> list[Referral]:
    """Find the pupil of referrals that continue those of another school, and set it with their statements.

    An open referral of the pupil to the same service does not refuse one: they name each other in `collides_with`.

    Args:
        session: in the caller's transaction, which holds the lock on the schools' pupils.
        schools: see `line_of`.
        news: not stored yet. Their statements say the same, with a number.

    Returns:
        The other referrals that changed.

    Raises:
        Contradiction: the pupil would have two values of a field, or is said to be two pupils.
    """
    concerned = await _concerned_by(session, schools, news[0])
    groups = _by_pupil([*concerned, *news])
    _refuse_contradictions(groups, news, "/pupil")
    before = _shown(concerned)
    await _settle(session, groups, news)
    _collide([each.referral for each in _group_of(news[0], groups) if each.referral.ended_at is None])
    for new in news:
        new.referral.statement_id = new.statement.id
    # Before the new ones are stored: the index `one_open_referral` leaves out what collides with them.
    await session.flush()
    return _count_up(before, news[0])


async def lock_concerned(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, changes: Mapping[str, Any]
) -> None:
    """Lock every referral that a correction can change, in the order of rows. See `take_correction`."""
    known = await _concerned(session, schools, referral, changes)
    await lock_all(session, Referral, {(each.referral.area_id, each.referral.id) for each in known})


async def take_correction(
    session: AsyncSession,
    schools: Sequence[UUID],
    referral: Referral,
    changes: Mapping[str, Any],
    *,
    for_all: bool = False,
) -> list[Referral]:
    """Replace the statement in force of a referral by one with changes, and join or part pupils accordingly.

    Args:
        session: in the caller's transaction, which holds the locks of `lock_concerned`.
        schools: see `line_of`.
        referral: locked, without changes that are not flushed.
        changes: the columns of the statement that change.
        for_all: whether the details of the pupil change in all of the pupil's referrals.

    Returns:
        The other referrals that changed.

    Raises:
        Contradiction, SameNameAndBirthDate: see `take_first`; or a temporary UPN would replace a permanent one.
    """
    known = await _concerned(session, schools, referral, changes)
    (own,) = (each for each in known if each.referral is referral)
    earlier = [own]
    if for_all:
        earlier += [each for each in known if each is not own and each.referral.pupil_id == referral.pupil_id]
    if changes.get("temporary_upn") and (permanent := [each for each in earlier if each.statement.upn]):
        raise Contradiction(permanent, (temporary_after_permanent(),))
    stated_at, of_all = now(), {name: value for name, value in changes.items() if name not in _OF_ONE_REFERRAL}
    news = [
        Known(_replaced(each.statement, changes if each is own else of_all, stated_at), each.referral, each.own)
        for each in earlier
    ]
    before = _shown(known)
    replaced = {new.referral.id: new for new in news}
    groups = _by_pupil([replaced.get(each.referral.id, each) for each in known])
    if any(_matched(new) != _matched(each) for each, new in zip(earlier, news, strict=True)):
        _refuse_contradictions(groups, news, "/pupil")
        await _ask(session, schools, groups, news)
        await _settle(session, groups, news)
    for each in earlier:
        each.statement.superseded_at = stated_at
    await session.flush()
    for new in news:
        session.add(new.statement)
        new.referral.statement_id = new.statement.id
    return _count_up(before, news[0])


async def settle_collision(session: AsyncSession, referral: Referral) -> list[Referral]:
    """Release the open referrals that a referral collided with, once it has ended, and return them."""
    beside = await queries.open_beside(session, referral)
    locked = await lock_all(session, Referral, {(each.area_id, each.id) for each in beside})
    referral.collides_with = None
    await session.flush()
    still_open = [each for each in locked if each.ended_at is None]
    _collide(still_open)
    for each in still_open:
        each.version += 1
    return still_open


async def _judge(session: AsyncSession, schools: Sequence[UUID], new: Known, pointer: str) -> list[Known]:
    """Refuse what contradicts a new statement, ask who is meant, and return the referrals of all pupils concerned."""
    known = [*await _concerned_by(session, schools, new), new]
    groups = _by_pupil(known)
    _refuse_contradictions(groups, [new], pointer)
    await _ask(session, schools, groups, [new])
    return known


async def _concerned_by(session: AsyncSession, schools: Sequence[UUID], new: Known) -> list[Known]:
    """Load the referrals of all pupils that a new statement can concern."""
    numbers = {name: number for name in _NUMBERS if (number := getattr(new.statement, name))}
    named = [new.statement.same_as_id] if new.statement.same_as_id else []
    return await queries.known_concerned(session, new.referral.area_id, schools, numbers, named)


async def _concerned(
    session: AsyncSession, schools: Sequence[UUID], referral: Referral, changes: Mapping[str, Any]
) -> list[Known]:
    """Load the referrals of all pupils that a correction can concern, its own among them.

    Referrals of one pupil share keys with each other already, so that no further ones can be found through them.
    """
    numbers = {name: number for name in _NUMBERS if (number := changes.get(name))}
    named = [referral.id, *filter(None, [changes.get("same_as_id")])]
    return await queries.known_concerned(session, referral.area_id, schools, numbers, named)


def _replaced(earlier: PupilStatement, changes: Mapping[str, Any], stated_at: datetime) -> PupilStatement:
    kept = earlier.model_dump(exclude={"id", "stated_at", "superseded_at"})
    return PupilStatement(**{**kept, **changes}, stated_at=stated_at)


def _matched(known: Known) -> list[Any]:
    """Return what decides whose referral this is, and whether its sender is asked."""
    return [getattr(known.statement, name) for name in (*_FIELDS, "given_name", "family_name", *_OF_ONE_REFERRAL)]


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
    if known.statement.same_as_id:
        yield "referral", known.statement.same_as_id
    for name in _NUMBERS:
        if value := getattr(known.statement, name):
            yield name, value


def _age_of(referral: Referral) -> tuple[datetime, UUID]:
    """Return what orders a school's referrals, the one first that it has had for longest."""
    return referral.continued_at or referral.submitted_at, referral.id


def _group_of(known: Known, groups: Sequence[list[Known]]) -> list[Known]:
    return next(group for group in groups if known in group)


def _touched(groups: Sequence[list[Known]], news: Sequence[Known]) -> list[list[Known]]:
    return [group for group in groups if not set(news).isdisjoint(group)]


def _refuse_contradictions(groups: Sequence[list[Known]], news: Sequence[Known], pointer: str) -> None:
    errors: dict[str, FieldError] = {}
    concerned: list[Known] = []
    for group in _touched(groups, news):
        for column, name in _FIELDS.items():
            stated = [each for each in group if getattr(each.statement, column) is not None]
            if len({getattr(each.statement, column) for each in stated}) < 2:
                continue
            own = {getattr(each.statement, column) for each in stated if each in news}
            others = [each for each in stated if each not in news and {getattr(each.statement, column)} != own]
            errors[name] = FieldError(f"{pointer}/{name}", "contradicts_earlier", contradicts(others))
            concerned += others
        if apart := [each for each in group if _tells_apart([each], group) or _tells_apart(group, [each])]:
            others = [each for each in apart if each is not news[0]]
            errors["not_the_same_as"] = FieldError("/not_the_same_as", "contradicts_earlier", is_one(others))
            concerned += others
    if errors:
        raise Contradiction(concerned, tuple(errors.values()))


async def _ask(
    session: AsyncSession, schools: Sequence[UUID], groups: Sequence[list[Known]], news: Sequence[Known]
) -> None:
    """Ask the sender where other pupils have the name and date of birth of one, and no number tells them apart."""
    beside = await queries.known_of_birth(session, news[0].referral.area_id, schools, news[0].statement.date_of_birth)
    known = {each.referral.id: each for each in (*beside, *(each for group in groups for each in group))}
    pupils = _by_pupil([*known.values()])
    addressed, touched = _group_of(news[0], pupils), _touched(pupils, news)
    alike = [
        pupil[0]
        for pupil in pupils
        if pupil is not addressed and any(_are_alike(each, pupil) for each in touched if each is not pupil)
    ]
    if alike:
        raise SameNameAndBirthDate(sorted(alike, key=lambda each: _age_of(each.referral)))


def _are_alike(one: Sequence[Known], other: Sequence[Known]) -> bool:
    return (
        not {name_key(each.statement) for each in one}.isdisjoint(name_key(each.statement) for each in other)
        and not (_has_number(one) and _has_number(other))
        and not (_tells_apart(one, other) or _tells_apart(other, one))
    )


def _has_number(pupil: Sequence[Known]) -> bool:
    return any(getattr(each.statement, name) for each in pupil for name in _NUMBERS)


def _tells_apart(one: Sequence[Known], other: Sequence[Known]) -> bool:
    """Tell whether a statement about one pupil names a referral of the other in `not_the_same_as`."""
    referrals = {each.referral.id for each in other}
    return any(not referrals.isdisjoint(each.statement.not_the_same_as_ids or ()) for each in one)


async def _settle(session: AsyncSession, groups: Sequence[Sequence[Known]], news: Sequence[Known]) -> None:
    """Give each group its pupil: that of its oldest referral, which younger pupils of the group are joined to."""
    of_referral: dict[UUID, UUID] = {}
    for group in groups:
        oldest = group[0].referral
        pupil = group[0].own or Pupil(area_id=oldest.area_id, school_id=oldest.school_id, referral_id=oldest.id)
        session.add(pupil)
        of_referral.update((each.referral.id, pupil.id) for each in group)
    # New pupils first, because others can join them.
    await session.flush()
    for own in (each.own for group in groups for each in group if each.own):
        pupil_id = of_referral[own.referral_id]
        own.joined_to = None if own.id == pupil_id else pupil_id
    await session.flush()
    stored = [each.referral for group in groups for each in group if each.referral.pupil_id]
    if any(each.pupil_id != of_referral[each.id] for each in stored):
        await _move(session, stored, of_referral)
    for new in news:
        new.referral.pupil_id = new.statement.pupil_id = of_referral[new.referral.id]


async def _move(session: AsyncSession, referrals: Sequence[Referral], of_referral: dict[UUID, UUID]) -> None:
    await lock_all(session, Referral, {(each.area_id, each.id) for each in referrals})
    still_open = [each for each in referrals if each.ended_at is None]
    before = {each.id: each.collides_with for each in still_open}
    # Out of the index `one_open_referral` at first, so that no step on the way violates it.
    for each in still_open:
        each.collides_with = [""]
    await session.flush()
    for each in referrals:
        each.pupil_id = of_referral[each.id]
    for each in still_open:
        each.collides_with = before[each.id]
    _collide(still_open)
    await session.flush()
    await queries.follow_referrals(session, referrals[0].area_id, [each.id for each in referrals])


def _collide(still_open: Sequence[Referral]) -> None:
    """Let open referrals of one pupil to one service name each other."""
    beside: dict[tuple[UUID | None, UUID], list[Referral]] = {}
    for each in sorted(still_open, key=_age_of):
        beside.setdefault((each.pupil_id, each.service_id), []).append(each)
    for colliding in beside.values():
        for each in colliding:
            each.collides_with = [other.code for other in colliding if other is not each] or None


Shown = dict[UUID, tuple[Referral, tuple[object, ...]]]


def _shown(known: Sequence[Known]) -> Shown:
    """Return what readers see of referrals, so that a change of it is found."""
    return {each.referral.id: (each.referral, _state_of(each.referral)) for each in known}


def _state_of(referral: Referral) -> tuple[object, ...]:
    return referral.pupil_id, referral.statement_id, referral.collides_with


def _count_up(before: Shown, new: Known) -> list[Referral]:
    """Count up the versions of the other referrals that have changed, and return them."""
    changed = [each for each, was in before.values() if each is not new.referral and _state_of(each) != was]
    for each in changed:
        each.version += 1
    return changed
