"""Link the pupils who are one person, for the groups that a change touches, in queries whose number does not grow."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from convenor.database.ids import uuid7
from convenor.pupil_matches.models import MatchDecision, MatchStatus
from convenor.pupil_matches.persons import COMPARED, NUMBERS, Decision, Match, Values, derive

KIND = "person_links"
"""The kind of pending work. Its subjects are pupils; a trigger on their statements adds it (migration 0019)."""

# A number, a match and a decision are nodes of their own, so that each is followed once, however many pupils have it.
_PUPILS_OF_NUMBER = """
    select 'pupil', s.pupil_id, null from pupil_statement s
    where n.kind = '{number}' and s.area_id = $1 and s.{number}_hash = n.value and s.superseded_at is null
"""
_NEAR = """
    with recursive near(kind, id, value) as (
        (select 'pupil', each, null::bytea from unnest($2::uuid[]) each
        union
        select 'pupil', coalesce(p.joined_to, p.id), null from pupil p where p.area_id = $1 and p.id = any($2))
        union
        select beside.kind, beside.id, beside.value from near n cross join lateral (
            select v.kind, null::uuid as id, v.value from pupil_statement s
            cross join lateral (values {numbers}) v(kind, value)
            where n.kind = 'pupil' and s.area_id = $1 and s.pupil_id = n.id and s.superseded_at is null
            union all
            {pupils_of_numbers}
            union all
            -- A number that a service traced counts for the pupil of its referral.
            select 'nhs_number', null, t.nhs_number_hash from referral r
            join traced_number t on t.area_id = r.area_id and t.referral_id = r.id and t.superseded_at is null
            where n.kind = 'pupil' and r.area_id = $1 and r.pupil_id = n.id
            union all
            select 'pupil', r.pupil_id, null from traced_number t
            join referral r on r.area_id = t.area_id and r.id = t.referral_id
            where n.kind = 'nhs_number' and t.area_id = $1 and t.nhs_number_hash = n.value and t.superseded_at is null
            union all
            select 'match', l.match_id, null from person_link l
            where n.kind = 'pupil' and l.area_id = $1 and l.pupil_id = n.id
            union all
            select 'pupil', l.pupil_id, null from person_link l
            where n.kind = 'match' and l.area_id = $1 and l.match_id = n.id
            union all
            select 'decision', d.decision_id, null from pupil p
            join decided_pupil d on d.area_id = p.area_id and d.pupil_id = p.id and d.withdrawn_at is null
            join pupil_decision e on e.area_id = d.area_id and e.id = d.decision_id
                and e.withdrawn_at is null and e.decision <> 'unlink'
            where n.kind = 'pupil' and p.area_id = $1 and (p.id = n.id or p.joined_to = n.id)
            union all
            select 'pupil', coalesce(p.joined_to, p.id), null from decided_pupil d
            join pupil p on p.area_id = d.area_id and p.id = d.pupil_id
            where n.kind = 'decision' and d.area_id = $1 and d.decision_id = n.id and d.withdrawn_at is null
        ) beside
    )
    select id from near where kind = 'pupil'
""".replace("{numbers}", ", ".join(f"('{each}', s.{each}_hash)" for each in NUMBERS)).replace(
    "{pupils_of_numbers}", " union all ".join(_PUPILS_OF_NUMBER.replace("{number}", each) for each in NUMBERS)
)
_VALUES = "array_agg(distinct {column}_hash) filter (where {column}_hash is not null) as {column}"
_STATED = (
    """
    select pupil_id, {values} from (
        select pupil_id, {columns} from pupil_statement
        where area_id = $1 and pupil_id = any($2) and superseded_at is null
        union all
        select r.pupil_id, {traced} from referral r
        join traced_number n on n.area_id = r.area_id and n.referral_id = r.id and n.superseded_at is null
        where r.area_id = $1 and r.pupil_id = any($2)
    ) said group by pupil_id
""".replace("{columns}", ", ".join(f"{each}_hash" for each in COMPARED))
    .replace("{traced}", ", ".join("n.nhs_number_hash" if each == "nhs_number" else "null" for each in COMPARED))
    .replace("{values}", ", ".join(_VALUES.replace("{column}", each) for each in COMPARED))
)
_DECIDED = """
    select e.id, e.decision, coalesce(p.joined_to, p.id) as pupil_id, d.stated
    from pupil_decision e
    join decided_pupil d on d.area_id = e.area_id and d.decision_id = e.id and d.withdrawn_at is null
    join pupil p on p.area_id = d.area_id and p.id = d.pupil_id
    where e.area_id = $1 and e.withdrawn_at is null and e.decision <> 'unlink' and e.id in (
        select o.decision_id from pupil q join decided_pupil o on o.area_id = q.area_id and o.pupil_id = q.id
        where q.area_id = $1 and (q.id = any($2) or q.joined_to = any($2)) and o.withdrawn_at is null)
"""
_FORMER = """
    select m.id, m.status, m.agree, m.differ, array_agg(array[l.pupil_id, l.group_id, l.person_id]) as links
    from pupil_match m join person_link l on l.area_id = m.area_id and l.match_id = m.id
    where m.area_id = $1
        and m.id in (select o.match_id from person_link o where o.area_id = $1 and o.pupil_id = any($2))
    group by m.area_id, m.id order by m.found_at, m.id
"""
_STORE_MATCHES = """
    insert into pupil_match as m (area_id, id, status, agree, differ, found_at, changed_at, version)
    select $1, n.id, n.status, string_to_array(n.agree, ','), string_to_array(n.differ, ','), now(), now(), 1
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) n(id, status, agree, differ)
    on conflict (area_id, id) do update set status = excluded.status, agree = excluded.agree,
        differ = excluded.differ, changed_at = excluded.changed_at, version = m.version + 1
"""
_MOVE_DECISIONS = """
    update pupil_decision e set match_id = n.match_id from (
        select distinct on (d.decision_id) d.decision_id, l.match_id from pupil_decision e
        join decided_pupil d on d.area_id = e.area_id and d.decision_id = e.id and d.withdrawn_at is null
        join pupil p on p.area_id = d.area_id and p.id = d.pupil_id
        join person_link l on l.area_id = p.area_id and l.pupil_id = coalesce(p.joined_to, p.id)
        where e.area_id = $1 and e.match_id = any($2) and e.withdrawn_at is null
        order by d.decision_id, l.match_id <> e.match_id, l.match_id
    ) n where e.area_id = $1 and e.id = n.decision_id and e.match_id <> n.match_id
"""
_DROP_LINKS = "delete from person_link where area_id = $1 and match_id = any($2)"
_STORE_LINKS = """
    insert into person_link
        (area_id, referral_id, school_id, provider_id, pupil_id, match_id, group_id, person_id, apart_from)
    select r.area_id, r.id, r.school_id, r.provider_id, r.pupil_id, n.match_id, n.group_id, n.person_id,
        string_to_array(n.apart_from, ',')::uuid[]
    from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[])
        n(pupil_id, match_id, group_id, person_id, apart_from)
    join referral r on r.area_id = $1 and r.pupil_id = n.pupil_id
"""


async def near_of(connection: Any, area: UUID, pupils: Collection[UUID]) -> list[UUID]:
    """Return pupils and all that numbers, matches and decisions connect with them."""
    return [row[0] for row in await connection.fetch(_NEAR, area, list(pupils))]


async def stated_of(connection: Any, area: UUID, pupils: Collection[UUID]) -> dict[UUID, Values]:
    """Return what statements in force, and services that traced a number, say of pupils."""
    rows = await connection.fetch(_STATED, area, list(pupils))
    return {row["pupil_id"]: {column: frozenset(row[column] or ()) for column in COMPARED} for row in rows}


async def decisions_about(connection: Any, area: UUID, pupils: Collection[UUID]) -> list[Decision]:
    """Return the decisions in force about any of these pupils, each with all of its pupils.

    A decision follows a pupil to the older id that it was joined to. What is now one pupil needs no decision.
    """
    stated: dict[tuple[UUID, bool], dict[UUID, frozenset[bytes]]] = defaultdict(lambda: defaultdict(frozenset))
    for row in await connection.fetch(_DECIDED, area, list(pupils)):
        stated[row["id"], row["decision"] == MatchDecision.LINK][row["pupil_id"]] |= frozenset(row["stated"])
    return [Decision(link, of_pupils) for (_, link), of_pupils in stated.items()]


async def relink(connection: Any, area: UUID, touched: Sequence[UUID]) -> None:
    """Derive anew who is one person among all pupils that are, or were, connected with some.

    Args:
        connection: asyncpg's, in a transaction whose context sees the area's statements, and which has the turn of
            this kind of work.
        area: the area of the pupils.
        touched: the pupils of whom something has changed.
    """
    near = await near_of(connection, area, touched)
    stated = await stated_of(connection, area, near)
    decisions = await decisions_about(connection, area, near)
    former = {row["id"]: row for row in await connection.fetch(_FORMER, area, near)}
    await _store(connection, area, derive(stated, decisions), decisions, former)


async def _store(
    connection: Any, area: UUID, matches: Sequence[Match], decisions: Sequence[Decision], former: Mapping[UUID, Any]
) -> None:
    """Replace the links of former matches. The oldest match of some pupils goes on, and what remains of it ends."""
    left, changed, links = dict(former), [], []
    apart: dict[UUID, set[UUID]] = defaultdict(set)
    for decision in decisions:
        for pupil in () if decision.link else decision.stated:
            apart[pupil].update(decision.stated.keys() - {pupil})
    for match in matches:
        known = next((each for each, row in left.items() if not match.pupils.isdisjoint(_pupils_of(row))), None)
        before = left.pop(known) if known else None
        match_id = known or uuid7()
        placed = {(each, match.groups[each], match.persons[each]) for each in match.pupils}
        now = match.status, list(match.agree), list(match.differ), placed
        if before is None or now != (
            before["status"],
            before["agree"],
            before["differ"],
            set(map(tuple, before["links"])),
        ):
            changed.append((match_id, match.status.value, ",".join(match.agree), ",".join(match.differ)))
        links += [(pupil, match_id, group, person, ",".join(map(str, apart[pupil]))) for pupil, group, person in placed]
    changed += [(each, MatchStatus.ENDED.value, "", "") for each in left]
    await connection.execute(_DROP_LINKS, area, list(former))
    if changed:
        await connection.execute(_STORE_MATCHES, area, *map(list, zip(*changed, strict=True)))
    if links:
        await connection.execute(_STORE_LINKS, area, *map(list, zip(*links, strict=True)))
    if former:
        # What holds stands with the match that its pupils have now.
        await connection.execute(_MOVE_DECISIONS, area, list(former))


def _pupils_of(former: Any) -> list[UUID]:
    return [pupil for pupil, _, _ in former["links"]]
