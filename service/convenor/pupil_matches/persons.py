"""Derive who is one person from statements and decisions, without a database (decision record 8, level two).

Nothing is needed of two values but whether they are equal.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, NamedTuple
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
Values = Mapping[str, frozenset[Any]]
"""What the statements in force say of a pupil, by column. Any values will do that are equal where the fields are."""


@dataclass(frozen=True)
class Decision:
    """What somebody decided: that some pupils are one child, or different children."""

    link: bool
    stated: Mapping[UUID, frozenset[Any]]
    """The pupils, and what was stated of each when somebody linked them. A link holds for those of whom all of it is
    stated; keeping apart always holds, because not linking is the safe side."""

    def held(self, pupils: Mapping[UUID, Values]) -> list[UUID]:
        """Return the pupils for whom the decision holds.

        Args:
            pupils: what is said of each pupil now.
        """
        known = [each for each in self.stated if each in pupils]
        if not self.link:
            return known
        return [each for each in known if self.stated[each].issubset(all_values(pupils[each]))]


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


def all_values(said: Values) -> frozenset[Any]:
    """Return what is said of a pupil in all columns. A keyed hash is of its column, so that none is lost."""
    return frozenset[Any]().union(*said.values())


def derive(pupils: Mapping[UUID, Values], decisions: Collection[Decision]) -> list[Match]:
    """Derive the matches of some pupils and everything that is connected with them.

    Args:
        pupils: what is said of each pupil.
        decisions: what people decided of them.
    """
    shared = _by_value(pupils)
    decided = [[each for each in decision.stated if each in pupils] for decision in decisions]
    connected = _components(pupils, _chained([*shared.values(), *decided]))
    return [_match(each, pupils, shared, decisions) for each in connected if len(each) > 1 or _differ(each, pupils)]


def contradicts(decisions: Collection[Decision], new: Decision, pupils: Mapping[UUID, Values]) -> bool:
    """Check whether links that people decided, and that hold, would join pupils whom somebody keeps apart."""
    after = [(each.link, each.held(pupils)) for each in (*decisions, new)]
    joined = _components({each for _, held in after for each in held}, _chained(held for link, held in after if link))
    return any(len(person.intersection(held)) > 1 for link, held in after if not link for person in joined)


def _match(
    members: frozenset[UUID],
    pupils: Mapping[UUID, Values],
    shared: Mapping[tuple[str, Any], list[UUID]],
    decisions: Collection[Decision],
) -> Match:
    decided = _pairs_of([each for each in decisions if not members.isdisjoint(each.stated)], pupils)
    edges = [tuple(pair) for pair in decided.linked | decided.lapsed]
    for value, holders in shared.items():
        if members.issuperset(holders) and value[0] in NUMBERS:
            among = [pair for pair in decided.apart if pair.issubset(holders)]
            # A chain connects the holders of a value as well as all pairs do, unless some of them are kept apart.
            all_pairs = (pair for pair in combinations(holders, 2) if frozenset(pair) not in decided.apart)
            edges += all_pairs if among else pairwise(holders)
    groups: dict[UUID, UUID] = {}
    persons: dict[UUID, UUID] = {}
    is_open = False
    for group in _components(members, edges):
        sound = _is_sound(group, pupils, decided)
        is_open = is_open or not sound
        groups |= dict.fromkeys(group, min(group))
        links = [tuple(pair) for pair in decided.linked if pair <= group]
        for person in [group] if sound else _components(group, links):
            # Later statements can join pupils so that links lead to pupils whom somebody keeps apart: none then holds.
            holds = not any(pair <= person for pair in decided.apart)
            persons |= {each: min(person) if holds else each for each in person}
    several = len(set(persons.values())) > 1
    status = MatchStatus.OPEN if is_open else MatchStatus.KEPT_APART if several else MatchStatus.LINKED
    return Match(members, groups, persons, status, *_compared(members, pupils))


class _Decided(NamedTuple):
    """Pairs of pupils. One is linked and kept apart where later statements made two decided pupils one."""

    linked: frozenset[Pair]
    apart: frozenset[Pair]
    lapsed: frozenset[Pair]
    """Those of links that hold no longer, and about whom nobody has decided again."""


def _pairs_of(decisions: Iterable[Decision], pupils: Mapping[UUID, Values]) -> _Decided:
    linked, apart, lapsed = set[Pair](), set[Pair](), set[Pair]()
    for each in decisions:
        held = each.held(pupils)
        (linked if each.link else apart).update(map(frozenset, combinations(held, 2)))
        lapsed.update(map(frozenset, combinations((pupil for pupil in each.stated if pupil in pupils), 2)))
    return _Decided(frozenset(linked), frozenset(apart), frozenset(lapsed - linked - apart))


def _is_sound(group: frozenset[UUID], pupils: Mapping[UUID, Values], decided: _Decided) -> bool:
    """Check that no two pupils of a group differ or are kept apart, unless a person linked these two.

    One pupil differs in itself where a service traced another number than the school states.
    """
    if any(pair <= group for pair in decided.apart | decided.lapsed):
        return False
    if not _differ(group, pupils):
        return True
    return len(group) > 1 and all(
        pair in decided.linked or not _differ(pair, pupils) for pair in map(frozenset, combinations(group, 2))
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
