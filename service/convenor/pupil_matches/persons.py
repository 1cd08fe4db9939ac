"""Derive who is one person from statements and decisions, without a database (decision record 8, level two).

Nothing is needed of two values but whether they are equal.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
    decided = _Decided(pupils, decisions)
    holders = list(_by_value(pupils).values())
    connected = _components(pupils, _chained([*holders, *decided.named]))
    group_of = _by_member(_components(pupils, decided.edges(holders)))
    linked_with = _by_member(_components(pupils, _chained(decided.links)))
    return [
        _match(each, pupils, decided, group_of, linked_with)
        for each in connected
        if len(each) > 1 or _differ(each, pupils)
    ]


def contradicts(decisions: Collection[Decision], new: Decision, pupils: Mapping[UUID, Values]) -> bool:
    """Check whether links that people decided, and that hold, would join pupils whom somebody keeps apart."""
    decided = _Decided(pupils, [*decisions, new])
    return any(decided.are_apart(each) for each in _components(pupils, _chained(decided.links)))


def _match(
    members: frozenset[UUID],
    pupils: Mapping[UUID, Values],
    decided: "_Decided",
    group_of: Mapping[UUID, frozenset[UUID]],
    linked_with: Mapping[UUID, frozenset[UUID]],
) -> Match:
    groups: dict[UUID, UUID] = {}
    persons: dict[UUID, UUID] = {}
    is_open = False
    for group in {group_of[each] for each in members}:
        sound = decided.is_sound(group)
        is_open = is_open or not sound
        groups |= _with_least(group)
        for person in [group] if sound else {linked_with[each] for each in group}:
            # Later statements can join pupils so that links lead to pupils whom somebody keeps apart: none then holds.
            persons |= {each: each for each in person} if decided.are_apart(person) else _with_least(person)
    several = len(set(persons.values())) > 1
    status = MatchStatus.OPEN if is_open else MatchStatus.KEPT_APART if several else MatchStatus.LINKED
    return Match(members, groups, persons, status, *_compared(members, pupils))


class _Decided:
    """What people decided of pupils: of two in one decision, and never of pairs, of which a large match has too many.

    A pupil has the places in the list of the decisions that name it. Two pupils are linked, or kept apart, if they have
    one in common. They are both where later statements made two decided pupils one.
    """

    def __init__(self, pupils: Mapping[UUID, Values], decisions: Collection[Decision]) -> None:
        self._pupils = pupils
        self.named = [[pupil for pupil in each.stated if pupil in pupils] for each in decisions]
        held = [each.held(pupils) for each in decisions]
        self.links = [pupils if each.link else [] for each, pupils in zip(decisions, held, strict=True)]
        self._named_in_links = [pupils if each.link else [] for each, pupils in zip(decisions, self.named, strict=True)]
        self._named = _places(self._named_in_links)
        self._linked = _places(self.links)
        self._apart = _places([] if each.link else pupils for each, pupils in zip(decisions, self.named, strict=True))

    def edges(self, holders: Iterable[Sequence[UUID]]) -> Iterator[tuple[UUID, ...]]:
        """Return what connects those who are one person, or may be: links, numbers, and links that hold no longer.

        Args:
            holders: the pupils of each number.
        """
        yield from _chained(self.links)
        for each in (*holders, *self._named_in_links):
            yield from self._chain_of_those_not_apart(each)

    def _chain_of_those_not_apart(self, pupils: Iterable[UUID]) -> Iterator[tuple[UUID, UUID]]:
        """Connect pupils as all pairs of them do who are not kept apart, with one edge for each pupil at most."""
        left = set(pupils)
        reached: list[UUID] = []
        while left:
            one = reached.pop() if reached else left.pop()
            beside = [each for each in left if self._apart[one].isdisjoint(self._apart[each])]
            yield from ((one, each) for each in beside)
            left.difference_update(beside)
            reached += beside

    def are_apart(self, pupils: Collection[UUID]) -> bool:
        """Check whether any two of some pupils are kept apart."""
        places = [place for each in pupils for place in self._apart[each]]
        return len(set(places)) < len(places)

    def is_sound(self, group: frozenset[UUID]) -> bool:
        """Check that no two pupils of a group differ, are kept apart, or had a link, unless a link of the two holds.

        One pupil differs in itself where a service traced another number than the school states.
        """
        places = {place for each in group for place in self._named[each]}
        if self.are_apart(group) or any(self._lapsed(place, group) for place in places):
            return False
        if not _differ(group, self._pupils):
            return True
        return len(group) > 1 and (
            any(group.issubset(self.links[place]) for place in places)
            or all(
                self._are_linked(one, other) or not _differ((one, other), self._pupils)
                for one, other in combinations(group, 2)
            )
        )

    def _lapsed(self, place: int, group: frozenset[UUID]) -> bool:
        """Check whether a link named two pupils of a group, no longer holds for them, and nobody linked them again."""
        named = group.intersection(self._named_in_links[place])
        return any(
            one != other and not self._are_linked(one, other)
            for one in named.difference(self.links[place])
            for other in named
        )

    def _are_linked(self, one: UUID, other: UUID) -> bool:
        return not self._linked[one].isdisjoint(self._linked[other])


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


def _places(groups: Iterable[Iterable[UUID]]) -> Mapping[UUID, set[int]]:
    """Return for each pupil the places of the groups that have it."""
    places: dict[UUID, set[int]] = defaultdict(set)
    for place, group in enumerate(groups):
        for pupil in group:
            places[pupil].add(place)
    return places


def _with_least(group: Collection[UUID]) -> Mapping[UUID, UUID]:
    return dict.fromkeys(group, min(group))


def _by_member(groups: Iterable[frozenset[UUID]]) -> Mapping[UUID, frozenset[UUID]]:
    return {each: group for group in groups for each in group}


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
