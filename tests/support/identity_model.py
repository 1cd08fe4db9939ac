"""The model of pupils and persons on one page, without a database: decision record 8 in small.

A *statement* is what an organisation says of a child with one referral. Everything else is derived from statements:
an organisation's *pupils* from its own statements alone, and *persons* from those of all organisations together.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple, TypeVar

Node = TypeVar("Node")

IDENTIFIERS = ("upn", "temporary_upn", "nhs_number")
COMPARED = (*IDENTIFIERS, "date_of_birth")
SHARED = (*IDENTIFIERS, "about")


class Statement(NamedTuple):
    """What one organisation says of one child. Values are opaque: keyed hashes serve as well as numbers."""

    date_of_birth: str | None
    name: str = ""
    upn: str | None = None
    temporary_upn: str | None = None
    nhs_number: str | None = None
    about: str | None = None
    """The referral of another organisation that this is said of, as a provider does who traces an NHS number."""
    same_as: str | None = None
    """An earlier referral of the organisation that is about the same child, where no number tells."""
    not_the_same_as: frozenset[str] = frozenset()
    """Referrals of the organisation that are about other children."""

    @property
    def has_identifier(self) -> bool:
        return any(getattr(self, each) for each in IDENTIFIERS)


def share(one: Statement, other: Statement) -> bool:
    """Whether two statements have an identifier in common, or are about one referral."""
    return any(getattr(one, each) and getattr(one, each) == getattr(other, each) for each in SHARED)


def differ(statements: Collection[Statement]) -> frozenset[str]:
    """Return the fields for which statements of one child would give two values. Names are no part of it."""
    return frozenset(each for each in COMPARED if len({getattr(one, each) for one in statements} - {None}) > 1)


def components(nodes: Iterable[Node], edges: Iterable[tuple[Node, Node]]) -> list[frozenset[Node]]:
    """Return the connected components of a graph, in the order of their first nodes."""
    group = {node: {node} for node in nodes}
    for one, other in edges:
        if group[one] is not group[other]:
            group[one] |= group[other]
            for each in group[other]:
                group[each] = group[one]
    return list(dict.fromkeys(frozenset(each) for each in group.values()))


# Level one: the pupils of an organisation


class Contradiction(Exception):  # noqa: N818
    """What was sent contradicts this organisation's own earlier statements; it names the fields."""

    def __init__(self, fields: frozenset[str]) -> None:
        super().__init__(fields)
        self.fields = fields


class SameNameAndBirth(Exception):  # noqa: N818
    """No number tells this child from others of the same name and birth; it names a referral of each."""

    def __init__(self, referrals: tuple[str, ...]) -> None:
        super().__init__(referrals)
        self.referrals = referrals


@dataclass
class Organisation:
    """One organisation. It knows of no other: that no method takes one is the proof."""

    said: dict[str, Statement] = field(default_factory=dict)
    """The statement in force of each referral, in the order of the referrals."""

    def refer(self, referral: str, statement: Statement) -> set[str]:
        """Take the statement of a new referral, and return the ids of the pupils that it touches.

        Raises:
            Contradiction: One child would have two values of a field, or is said to be two children.
            SameNameAndBirth: No number tells whether this is the child of earlier referrals, and neither did the
                sender.
        """
        return self._take(referral, {referral: statement})

    def correct(self, referral: str, statement: Statement, *, for_all: Collection[str] = ()) -> set[str]:
        """Replace the statement of a referral, and what it says in some fields in all referrals of its pupil.

        A permanent UPN follows a temporary one, which then stays known. A temporary one never follows a permanent one.

        Raises:
            Contradiction: See `refer`; or a temporary UPN would replace a permanent one.
            SameNameAndBirth: See `refer`.
        """
        group = next(each for each in self.pupils() if referral in each)
        everywhere = {name: getattr(statement, name) for name in for_all}
        new = {each: self.said[each]._replace(**everywhere) for each in group if for_all} | {referral: statement}
        return self._take(referral, {each: self._follow(each, said) for each, said in new.items()})

    def judge(self, statement: Statement) -> None:
        """Refuse a statement as `refer` would, and take nothing.

        Raises:
            Contradiction, SameNameAndBirth: See `refer`.
        """
        Organisation(dict(self.said)).refer("judged", statement)

    def take_over(self, referrals: Iterable[str], statement: Statement) -> None:
        """Take referrals that another organisation handed over, with what this one stated when it asked.

        Raises:
            Contradiction: See `refer`.
        """
        for referral in referrals:
            self._take(referral, {referral: statement}, asks=False)

    def _follow(self, referral: str, statement: Statement) -> Statement:
        earlier = self.said[referral]
        if statement.temporary_upn and not statement.upn and earlier.upn:
            raise Contradiction(frozenset({"temporary_upn"}))
        if statement.upn and not earlier.upn and not statement.temporary_upn:
            return statement._replace(temporary_upn=earlier.temporary_upn)
        return statement

    def _take(self, referral: str, new: Mapping[str, Statement], *, asks: bool = True) -> set[str]:
        before, after = self.pupils(), Organisation({**self.said, **new})
        now = after.pupils()
        groups = [each for each in now if not each.isdisjoint(new)]
        fields = {field for group in groups for field in differ([after.said[each] for each in group])}
        fields |= {"not_the_same_as" for group in groups if after.keeps_apart(group, group)}
        if fields:
            raise Contradiction(frozenset(fields))
        if asks and new.items() - self.said.items() and (alike := after.alike(referral, groups)):
            raise SameNameAndBirth(alike)
        self.said = after.said
        changed = set(before) ^ set(now) | set(groups)
        return {next(each for each in self.said if each in one) for one in changed}

    def pupils(self) -> list[frozenset[str]]:
        """Return the referrals of each pupil, the pupil with the oldest referral first."""
        edges = [(one, other) for one, other in combinations(self.said, 2) if share(self.said[one], self.said[other])]
        said_to_be = [(each.same_as, referral) for referral, each in self.said.items() if each.same_as]
        return components(self.said, [*edges, *said_to_be])

    def pupil_of(self, referral: str) -> str:
        """Return a pupil's id: that of its oldest referral, so that a younger id resolves to an older one."""
        group = next(each for each in self.pupils() if referral in each)
        return next(each for each in self.said if each in group)

    def keeps_apart(self, one: frozenset[str], other: frozenset[str]) -> bool:
        """Tell whether a referral of one pupil is said to be about another child than one of the other's."""
        return any(self.said[each].not_the_same_as & other for each in one)

    def alike(self, referral: str, groups: Iterable[frozenset[str]]) -> tuple[str, ...]:
        """Return the oldest referral of every other pupil that neither numbers nor words tell from these pupils."""
        return tuple(
            self.pupil_of(next(iter(other)))
            for other in self.pupils()
            if referral not in other and any(self._is_alike(each, other) for each in groups if each != other)
        )

    def _is_alike(self, one: frozenset[str], other: frozenset[str]) -> bool:
        names, other_names = (
            {(self.said[each].name, self.said[each].date_of_birth) for each in g} for g in (one, other)
        )
        numbered = all(any(self.said[each].has_identifier for each in group) for group in (one, other))
        told_apart = self.keeps_apart(one, other) or self.keeps_apart(other, one)
        return not names.isdisjoint(other_names) and not numbered and not told_apart


# A handover: the referrals of a child who moved


def agrees(statement: Statement, pupil: Collection[Statement]) -> bool:
    """Tell whether a handover with this statement is put to the school of a pupil, of whom these are in force."""
    shares = any(
        getattr(statement, each) and getattr(statement, each) == getattr(other, each)
        for other in pupil
        for each in IDENTIFIERS
    )
    return shares and not differ([statement, *pupil])


def put_to(statement: Statement, asking: str, organisations: Mapping[str, Organisation]) -> "set[Pupil]":
    """Return the pupils of the other organisations that a handover is about."""
    pupils = pupils_of(organisations)
    return {each for each, said in pupils.items() if each[0] != asking and agrees(statement, said)}


# Level two: persons


Pupil = tuple[str, str]
"""An organisation and the id that it has for the pupil."""


Value = tuple[Pupil, str, str]
"""A pupil, a field, and what is stated of the pupil in that field."""


class Decision(NamedTuple):
    """What a person decided of two pupils."""

    one: Pupil
    other: Pupil
    link: bool
    stated: frozenset[Value] = frozenset()
    """What was stated of the two when somebody linked them: a link holds as long as all of it is stated."""
    made: int = 0
    """The same for all pairs of one decision, which can be about more pupils than two."""


class Refused(Exception):  # noqa: N818
    """This decision contradicts an earlier one, which a person must withdraw first."""


@dataclass(frozen=True)
class Persons:
    """What is derived: who is one person, and what a person has to decide."""

    linked: frozenset[frozenset[Pupil]]
    matches: frozenset[frozenset[Pupil]]


def pupils_of(organisations: Mapping[str, Organisation]) -> dict[Pupil, list[Statement]]:
    """Return the statements in force of every organisation's pupils."""
    return {
        (name, organisation.pupil_of(next(iter(group)))): [organisation.said[each] for each in sorted(group)]
        for name, organisation in organisations.items()
        for group in organisation.pupils()
    }


def values(pupil: Pupil, statements: Iterable[Statement]) -> frozenset[Value]:
    """Return what statements say of a pupil in the fields that are compared."""
    return frozenset(
        (pupil, each, value)
        for statement in statements
        for each in COMPARED
        if (value := getattr(statement, each)) is not None
    )


def holds(decision: Decision, pupils: Mapping[Pupil, list[Statement]]) -> bool:
    """Tell whether a decision holds. Keeping apart always does, because not linking is the safe side."""
    now = frozenset[Value]().union(*(values(each, pupils.get(each, ())) for each in (decision.one, decision.other)))
    return not decision.link or decision.stated <= now


def in_force(decisions: Collection[Decision], pupils: Mapping[Pupil, list[Statement]]) -> list[Decision]:
    """Leave out the links that no longer hold where somebody has decided about the two again."""
    decided = {frozenset((each.one, each.other)) for each in decisions if holds(each, pupils)}
    return [each for each in decisions if holds(each, pupils) or frozenset((each.one, each.other)) not in decided]


def _edges(pupils: Mapping[Pupil, list[Statement]], decisions: Collection[Decision]) -> Iterator[tuple[Pupil, Pupil]]:
    apart = {frozenset((each.one, each.other)) for each in decisions if not each.link}
    for one, other in combinations(pupils, 2):
        if {one, other} not in apart and any(share(a, b) for a in pupils[one] for b in pupils[other]):
            yield one, other
    yield from ((each.one, each.other) for each in decisions if each.link and {each.one, each.other} <= pupils.keys())


def _is_sound(
    group: frozenset[Pupil], pupils: Mapping[Pupil, list[Statement]], decisions: Collection[Decision]
) -> bool:
    for one, other in combinations(group, 2):
        links = {each.link and holds(each, pupils) for each in decisions if {each.one, each.other} == {one, other}}
        if False in links or (not links and differ(pupils[one] + pupils[other])):
            return False
    return True


def derive(pupils: Mapping[Pupil, list[Statement]], decisions: Collection[Decision]) -> Persons:
    """Derive persons from everything at once: the specification."""
    decisions = in_force(decisions, pupils)
    links = [(each.one, each.other) for each in decisions if each.link and holds(each, pupils)]
    linked, matches = set(), set()
    for group in components(pupils, _edges(pupils, decisions)):
        if _is_sound(group, pupils, decisions):
            linked.add(group)
        else:
            for person in components(group, [pair for pair in links if group.issuperset(pair)]):
                apart = any({each.one, each.other} <= person for each in decisions if not each.link)
                linked |= {frozenset([each]) for each in person} if apart else {person}
            matches.add(group)
    return Persons(frozenset(linked), frozenset(matches))


def rederive(
    before: Persons,
    touched: Collection[Pupil],
    pupils: Mapping[Pupil, list[Statement]],
    decisions: Collection[Decision],
) -> Persons:
    """Derive persons anew for the groups that a change touches, and leave all others alone: what the worker does."""
    edges = list(_edges(pupils, in_force(decisions, pupils)))
    formerly = {each for group in before.linked | before.matches if group & set(touched) for each in group}
    ends = (formerly | set(touched)) & pupils.keys()
    near = {each for group in components(pupils, edges) if group & ends for each in group}
    new = derive({each: pupils[each] for each in pupils if each in near}, decisions)
    gone = near | formerly
    return Persons(
        frozenset(each for each in before.linked if not each & gone) | new.linked,
        frozenset(each for each in before.matches if not each & gone) | new.matches,
    )


def decide(
    decisions: frozenset[Decision], new: Decision, pupils: Mapping[Pupil, list[Statement]]
) -> frozenset[Decision]:
    """Add what a person decided, with what is stated of the two pupils.

    Raises:
        Refused: Links of people that hold would join pupils that a person keeps apart.
    """
    stated = frozenset[Value]().union(*(values(each, pupils.get(each, ())) for each in (new.one, new.other)))
    new = new._replace(stated=stated if new.link else frozenset())
    after = {each for each in decisions if holds(each, pupils)} | {new}
    groups = components(
        {pupil for each in after for pupil in (each.one, each.other)},
        [(each.one, each.other) for each in after if each.link],
    )
    if any({each.one, each.other} <= group for each in after if not each.link for group in groups):
        raise Refused
    return decisions | {new}


def withdraw(decisions: Collection[Decision], pupils: Collection[Pupil]) -> frozenset[Decision]:
    """Take pupils out of each decision about two or more of them, or about the only one; it stays for the others."""
    named: dict[int, set[Pupil]] = {}
    for each in decisions:
        named.setdefault(each.made, set()).update({each.one, each.other}.intersection(pupils))
    concerned = {made for made, those in named.items() if len(those) >= min(2, len(pupils))}
    return frozenset(
        each for each in decisions if each.made not in concerned or {each.one, each.other}.isdisjoint(pupils)
    )


def resolved(decisions: Iterable[Decision], organisations: Mapping[str, Organisation]) -> list[Decision]:
    """Return decisions by the ids that their pupils have now; what is now one pupil needs no decision."""

    def now(pupil: Pupil) -> Pupil:
        return pupil[0], organisations[pupil[0]].pupil_of(pupil[1])

    return [
        Decision(
            now(each.one),
            now(each.other),
            each.link,
            frozenset((now(pupil), name, value) for pupil, name, value in each.stated),
            each.made,
        )
        for each in decisions
        if now(each.one) != now(each.other)
    ]
