"""The rules of decisions about pupils of a match."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from convenor.database.pending_work import wait_for_turn
from convenor.database.pools import driver_connection
from convenor.domain_types.dates import now
from convenor.problems import FieldErrors, Problem, StateConflict
from convenor.pupil_matches import queries
from convenor.pupil_matches.linking import KIND, decisions_about, relink, stated_of
from convenor.pupil_matches.models import DecidedPupil, MatchDecision, PupilDecision, PupilMatch
from convenor.pupil_matches.persons import Decision, all_values, contradicts
from convenor.pupil_matches.resource import PUPIL_MATCHES
from convenor.pupil_matches.schemas import PupilDecisionCreate
from convenor.read_model.locking import resolve
from convenor.security.principal import Principal


class ContradictsDecision(Problem):
    """This decision contradicts an earlier one about the same pupils."""

    status, code, title = 409, "contradicts_decision", "Contradicts an earlier decision"
    cause = "Links that people decided would join pupils whom somebody keeps apart."
    remedy = (
        "Read the match's decisions. Name the referrals of pupils whom none of them contradicts; or withdraw the wrong"
        " one for the pupils in question, with `unlink` and codes of theirs in `referrals`, and decide again."
    )


async def link_what_is_pending(session: AsyncSession, principal: Principal, key: str) -> None:
    """Link a match's pupils as they are now, before its row is locked and the version that the caller saw is compared.

    Else somebody would decide about pupils whom their school has joined or parted since. Nobody else links pupils of
    the area until the transaction ends: all lock in this order.

    Raises:
        NotFound: there is no such match, or the caller may not see it.
    """
    area, match = await resolve(session, principal, PUPIL_MATCHES, key)
    connection = await driver_connection(session)
    await wait_for_turn(connection, KIND, area)
    await relink(connection, area, list((await queries.pupils_of(connection, area, match)).values()))


async def decide(session: AsyncSession, principal: Principal, match: PupilMatch, data: PupilDecisionCreate) -> None:
    """Link pupils of a match, keep them apart, or withdraw what was decided of them.

    Raises:
        StateConflict: the match has ended or is about one pupil, or there is nothing to withdraw.
        Invalid: a referral is not of the match, or the decision is about one pupil alone.
        ContradictsDecision: links of people would join pupils whom somebody keeps apart.
    """
    connection = await driver_connection(session)
    members = await queries.pupils_of(connection, match.area_id, match.id)
    if not members:
        raise StateConflict("This match has ended: nothing connects its pupils any more.")
    if len(set(members.values())) == 1:
        raise StateConflict(
            "This match is about one pupil, whose school and service state different numbers. One of them must correct"
            " its own."
        )
    pupils = _named(members, data.referrals, at_least=1 if data.decision is MatchDecision.UNLINK else 2)
    stated = dict.fromkeys(pupils, frozenset[bytes]())
    if data.decision is MatchDecision.UNLINK:
        await _withdraw(connection, match.area_id, pupils)
    else:
        said = await stated_of(connection, match.area_id, members.values())
        link = data.decision is MatchDecision.LINK
        if link:
            stated = {each: all_values(said[each]) for each in pupils}
        decisions = await decisions_about(connection, match.area_id, members.values())
        if contradicts(decisions, Decision(link, stated), said):
            raise ContradictsDecision
    decision = PupilDecision(
        area_id=match.area_id,
        match_id=match.id,
        client_id=principal.client_id,
        organisation=principal.organisation,
        decided_at=now(),
        **data.columns(),
    )
    session.add(decision)
    match.version, match.changed_at = match.version + 1, decision.decided_at
    await session.flush()
    session.add_all(
        DecidedPupil(area_id=match.area_id, decision_id=decision.id, pupil_id=pupil, stated=sorted(values))
        for pupil, values in stated.items()
    )
    await session.flush()
    await relink(connection, match.area_id, list(pupils))


def _named(members: dict[str, UUID], codes: Collection[str] | None, at_least: int) -> set[UUID]:
    """Return the pupils of the referrals with these codes, or all.

    Raises:
        Invalid: a referral is not of the match, or they are about fewer pupils than a decision needs.
    """
    if codes is None:
        return set(members.values())
    errors = FieldErrors()
    for at, code in enumerate(codes):
        if code not in members:
            errors.add(f"/referrals/{at}", "not_of_match", "No pupil of this match has a referral with this code.")
    pupils = {members[code] for code in codes if code in members}
    if not errors.found and len(pupils) < at_least:
        errors.add("/referrals", "one_pupil", "These referrals are about one pupil. Name those of two pupils or more.")
    errors.raise_if_any()
    return pupils


async def _withdraw(connection: Any, area: UUID, pupils: Collection[UUID]) -> None:
    if not await queries.withdraw_decisions(connection, area, pupils):
        raise StateConflict(
            "No decision about these pupils is in force. To separate pupils that their numbers link, send `keep_apart`."
        )
