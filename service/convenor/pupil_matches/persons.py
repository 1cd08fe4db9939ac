"""Derive who is one person from statements and decisions, without a database (decision record 8, level two).

Nothing is needed of two values but whether they are equal.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any
from uuid import UUID

from convenor.pupil_matches.models import MatchedField, MatchStatus

NUMBERS = ("upn", "temporary_upn", "nhs_number")
"""The columns of a statement that connect pupils where they are equal."""
COMPARED: Mapping[str, MatchedField] = {
    "upn": MatchedField.UPN,
    "temporary_upn": MatchedField.UPN,
    "nhs_number": MatchedField.NHS_NUMBER,
    "date_of_birth": MatchedField.DATE_OF_BIRTH,
}
"""The columns in which the statements about one child may not differ, each with the field that people know."""

Pair = frozenset[UUID]
Decided = AbstractSet[tuple[Pair, bool]]
"""Pairs of pupils that a person linked (true) or keeps apart (false). A pair has both where later statements made two
decided pupils one."""
Values = Mapping[str, frozenset[Any]]
"""What the statements in force say of a pupil, by column. Any values will do that are equal where the fields are."""


@dataclass(frozen=True)
class Match:
    """Connected pupils, and what is derived for them."""

    pupils: frozenset[UUID]
    groups: Mapping[UUID, UUID]
    """For each pupil, the least id of those that are one person with it or may be."""
    persons: Mapping[UUID, UUID]
    """For each pupil, the least id of those that are one person with it."""
    status: MatchStatus
    agree: tuple[str, ...]
    differ: tuple[str, ...]


def derive(pupils: Mapping[UUID, Values], decided: Decided) -> list[Match]:
    """Derive the matches of some pupils and everything that is connected with them.

    Args:
        pupils: what is said of each pupil.
        decided: what people decided of them.
    """
    shared = _by_value(pupils)
    known = {(pair, link) for pair, link in decided if pair <= pupils.keys()}
    connected = _components(pupils, [*_chained(shared.values()), *(tuple(pair) for pair, _ in known)])
    return [_match(each, pupils, shared, known) for each in connected if len(each) > 1 or _differ(each, pupils)]


def contradicts(decided: Decided, new: Decided) -> bool:
    """Check whether links that people decided would join pupils whom somebody keeps apart, with new decisions too."""
    after = decided | new
    pupils = {each for pair, _ in after for each in pair}
    joined = _components(pupils, [tuple(pair) for pair, link in after if link])
    return any(pair <= person for pair, link in after if not link for person in joined)


def _match(
    members: frozenset[UUID],
    pupils: Mapping[UUID, Values],
    shared: Mapping[tuple[str, Any], list[UUID]],
    decided: Decided,
) -> Match:
    own = {(pair, link) for pair, link in decided if pair <= members}
    apart = {pair for pair, link in own if not link}
    links = [tuple(pair) for pair, link in own if link]
    edges = [*links]
    for value, holders in shared.items():
        if members.issuperset(holders) and value[0] in NUMBERS:
            among = [pair for pair in apart if pair.issubset(holders)]
            # A chain connects the holders of a value as well as all pairs do, unless some of them are kept apart.
            all_pairs = (pair for pair in combinations(holders, 2) if frozenset(pair) not in apart)
            edges += all_pairs if among else pairwise(holders)
    groups: dict[UUID, UUID] = {}
    persons: dict[UUID, UUID] = {}
    is_open = False
    for group in _components(members, edges):
        sound = _is_sound(group, pupils, own)
        is_open = is_open or not sound
        groups |= dict.fromkeys(group, min(group))
        for person in [group] if sound else _components(group, [pair for pair in links if group.issuperset(pair)]):
            # Later statements can join pupils so that links lead to pupils whom somebody keeps apart: none then holds.
            holds = not any(pair <= person for pair in apart)
            persons |= {each: min(person) if holds else each for each in person}
    several = len(set(persons.values())) > 1
    status = MatchStatus.OPEN if is_open else MatchStatus.KEPT_APART if several else MatchStatus.LINKED
    return Match(members, groups, persons, status, *_compared(members, pupils))


def _is_sound(group: frozenset[UUID], pupils: Mapping[UUID, Values], decided: Decided) -> bool:
    """Check that no two pupils of a group differ or are kept apart, unless a person linked these two.

    One pupil differs in itself where a service traced another number than the school states.
    """
    within = {(pair, link) for pair, link in decided if pair <= group}
    if not all(link for _, link in within):
        return False
    if not _differ(group, pupils):
        return True
    return bool(within) and all(
        (frozenset(pair), True) in within or not _differ(pair, pupils) for pair in combinations(group, 2)
    )


def _differ(group: Iterable[UUID], pupils: Mapping[UUID, Values]) -> bool:
    said = [pupils[each] for each in group]
    return any(len(frozenset().union(*(each[column] for each in said))) > 1 for column in COMPARED)


def _compared(members: Collection[UUID], pupils: Mapping[UUID, Values]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fields that two pupils have in common, and those of which there are two values."""
    agree, differ = set(), set()
    for column, field in COMPARED.items():
        stated = [value for each in members for value in pupils[each][column]]
        if len(set(stated)) < len(stated):
            agree.add(field)
        if len(set(stated)) > 1:
            differ.add(field)
    return tuple(each for each in MatchedField if each in agree), tuple(each for each in MatchedField if each in differ)


def _by_value(pupils: Mapping[UUID, Values]) -> Mapping[tuple[str, Any], list[UUID]]:
    """Return the pupils of whom each number is said."""
    found: dict[tuple[str, Any], list[UUID]] = defaultdict(list)
    for pupil, said in pupils.items():
        for column in NUMBERS:
            for value in said[column]:
                found[column, value].append(pupil)
    return found


def _chained(groups: Iterable[Sequence[UUID]]) -> Iterable[tuple[UUID, ...]]:
    for group in groups:
        yield from pairwise(group)


def _components(nodes: Iterable[UUID], edges: Iterable[tuple[UUID, ...]]) -> list[frozenset[UUID]]:
    """Return the connected components of a graph, the one with the least node first."""
    group = {node: {node} for node in nodes}
    for one, other in edges:
        if group[one] is not group[other]:
            small, large = sorted((group[one], group[other]), key=len)
            large |= small
            for each in small:
                group[each] = large
    return sorted({frozenset(each) for each in group.values()}, key=min)
