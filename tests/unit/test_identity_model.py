"""The model of pupils and persons holds for every order of every few statements: three schools, a trust, children.

The trust is a provider that adds the NHS numbers it traced. Statements are drawn from what can be said truly of three
children, and from what a typing slip or an invention makes of it.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, combinations_with_replacement, permutations

import pytest
from support.identity_model import (
    Contradiction,
    Decision,
    Organisation,
    Persons,
    Pupil,
    Refused,
    SameNameAndBirth,
    Statement,
    components,
    decide,
    derive,
    differ,
    pupils_of,
    put_to,
    rederive,
    resolved,
    share,
    values,
    withdraw,
)
from support.tiers import size

SCHOOLS = ("A", "B", "C")
TRUST = "trust"

CHILDREN = {
    "Ash": Statement("2016-05-04", "ash", upn="upn-1", nhs_number="nhs-1"),
    "Briar": Statement("2016-05-04", "briar", upn="upn-2", nhs_number="nhs-2"),
    "Clover": Statement("2017-01-31", "clover", upn="upn-3", nhs_number="nhs-3"),
}
"""The truth. The first two are twins."""


def _parts(child: Statement) -> list[Statement]:
    return [child, child._replace(nhs_number=None), child._replace(upn=None)]


TRUE = [part for child in CHILDREN.values() for part in _parts(child)]
FALSE = [
    CHILDREN["Ash"]._replace(nhs_number="nhs-2"),
    CHILDREN["Ash"]._replace(nhs_number=None, date_of_birth="2016-04-05"),
    CHILDREN["Clover"]._replace(nhs_number="nhs-1"),
]
TEMPORARY = [
    CHILDREN["Ash"]._replace(upn=None, nhs_number=None, temporary_upn="temporary-1"),
    CHILDREN["Ash"]._replace(upn=None, temporary_upn="temporary-1"),
    CHILDREN["Briar"]._replace(temporary_upn="temporary-1"),
]
UNNUMBERED = [CHILDREN["Ash"]._replace(upn=None, nhs_number=None)]
SAID = [*TRUE, *FALSE, *TEMPORARY, *UNNUMBERED]

Event = tuple[str, int, int]
"""Who says it, which statement it is, and which time this organisation says it."""


def _events(said: list[Statement], most: int) -> Iterator[tuple[Event, ...]]:
    """Return every few events, once for all that differ only in which school is which."""
    seen = set()
    for chosen in combinations_with_replacement([(who, what) for who in SCHOOLS for what in range(len(said))], most):
        alike = min(
            tuple(sorted((names[SCHOOLS.index(who)], what) for who, what in chosen)) for names in permutations(SCHOOLS)
        )
        if alike not in seen:
            seen.add(alike)
            yield tuple((who, what, chosen[:at].count((who, what))) for at, (who, what) in enumerate(chosen))


def _say(organisations: dict[str, Organisation], event: Event, said: list[Statement]) -> set[Pupil]:
    """Refer a child, and return the pupils whom it touches: none where it is refused."""
    who, what, _ = event
    try:
        touched = organisations[who].refer(_code(event), said[what]._replace(about=_code(event)))
    except (Contradiction, SameNameAndBirth):
        return set()
    return {(who, each) for each in touched}


def _code(event: Event) -> str:
    return "{}-{}-{}".format(*event)


def _start() -> dict[str, Organisation]:
    return {name: Organisation() for name in (*SCHOOLS, TRUST)}


def _referrals(
    persons: Persons, organisations: dict[str, Organisation]
) -> tuple[frozenset[frozenset[str]], frozenset[frozenset[str]]]:
    """Return what was derived by the referrals of its pupils, which do not depend on the order, as ids do."""

    def of(group: Iterable[Pupil]) -> frozenset[str]:
        return frozenset(
            referral
            for name, pupil in group
            for referral in organisations[name].said
            if organisations[name].pupil_of(referral) == pupil
        )

    return frozenset(map(of, persons.linked)), frozenset(map(of, persons.matches))


NOBODY = Persons(frozenset(), frozenset())


def test_a_worker_that_looks_at_touched_groups_alone_derives_what_all_statements_together_say() -> None:
    for events in _events(SAID, 3):
        for order in permutations(events):
            organisations, persons = _start(), NOBODY
            for event in order:
                if touched := _say(organisations, event, SAID):
                    pupils = pupils_of(organisations)
                    persons = rederive(persons, touched, pupils, ())
                    assert persons == derive(pupils, ()), order


def test_a_worker_derives_the_same_after_a_correction() -> None:
    for events in _events([*TRUE[:3], *FALSE], 3):
        said = [*TRUE[:3], *FALSE]
        for other in said:
            organisations, persons = _start(), NOBODY
            taken = [event for event in events if _say(organisations, event, said)]
            persons = derive(pupils_of(organisations), ())
            for event in taken:
                try:
                    touched = organisations[event[0]].correct(_code(event), other._replace(about=_code(event)))
                except Contradiction:
                    continue
                pupils = pupils_of(organisations)
                persons = rederive(persons, {(event[0], each) for each in touched}, pupils, ())
                assert persons == derive(pupils, ()), (events, other)


@pytest.mark.parametrize("most", range(3, size(4, 5)))
def test_persons_depend_on_the_statements_that_were_taken_and_not_on_their_order(most: int) -> None:
    said = SAID if most == 3 else [*TRUE[:6], *FALSE[:2]]
    for events in _events(said, most):
        results: dict[frozenset[Event], object] = {}
        for order in permutations(events):
            organisations = _start()
            taken = frozenset(event for event in order if _say(organisations, event, said))
            result = _referrals(derive(pupils_of(organisations), ()), organisations)
            assert results.setdefault(taken, result) == result, order


def test_true_statements_never_make_one_pupil_or_one_person_of_two_children() -> None:
    for events in _events(TRUE, 3):
        organisations = _start()
        children = {_code(event): event[1] // 3 for event in events if _say(organisations, event, TRUE)}
        linked, matches = _referrals(derive(pupils_of(organisations), ()), organisations)
        assert not matches
        assert all(len({children[each] for each in group}) == 1 for group in linked)


def test_nobody_is_linked_who_would_have_two_values_of_a_field() -> None:
    for events in _events(SAID, 3):
        for order in permutations(events):
            organisations = _start()
            for event in order:
                _say(organisations, event, SAID)
            pupils = pupils_of(organisations)
            for group in derive(pupils, ()).linked:
                assert not differ([statement for each in group for statement in pupils[each]]), order


def test_pupils_who_share_a_number_are_linked_or_a_match_for_a_person_to_decide() -> None:
    for events in _events(SAID, 3):
        organisations = _start()
        for event in events:
            _say(organisations, event, SAID)
        pupils = pupils_of(organisations)
        persons = derive(pupils, ())
        for one, other in combinations(pupils, 2):
            if any(share(a, b) for a in pupils[one] for b in pupils[other]):
                assert any({one, other} <= group for group in persons.linked | persons.matches), events


def test_what_a_school_is_answered_is_what_it_would_be_answered_alone() -> None:
    def answers(organisation: Organisation, event: Event) -> object:
        try:
            organisation.refer(_code(event), SAID[event[1]])
        except Contradiction as refused:
            return refused.fields
        except SameNameAndBirth as refused:
            return refused.referrals
        return organisation.pupil_of(_code(event))

    for events in _events(SAID, 3):
        for order in permutations(events):
            together = _start()
            heard = [(event[0], answers(together[event[0]], event)) for event in order]
            alone = _start()
            expected = [
                (event[0], answers(alone[event[0]], event)) for event in sorted(order, key=lambda each: each[0])
            ]
            assert sorted(heard, key=lambda each: each[0]) == expected, order


@pytest.mark.parametrize(("false", "field"), list(zip(FALSE, ["nhs_number", "date_of_birth", "upn"], strict=True)))
def test_a_slip_is_refused_where_its_organisation_knows_better_and_elsewhere_is_for_a_person_to_decide(
    false: Statement, field: str
) -> None:
    known = [CHILDREN["Ash"], CHILDREN["Clover"]]
    school = Organisation({f"R-{at}": each for at, each in enumerate(known)})
    with pytest.raises(Contradiction) as refused:
        school.refer("slip", false)
    assert field in refused.value.fields
    organisations = {"A": school, "B": Organisation({"slip": false})}
    (match,) = derive(pupils_of(organisations), ()).matches
    assert ("B", "slip") in match


def test_a_true_statement_hands_over_no_other_child_and_leaves_its_schools_pupils_as_a_referral_would() -> None:
    for events in _events(TRUE, 2):
        for moved in TRUE:
            organisations = _start()
            for event in events:
                _say(organisations, event, TRUE)
            child = next(each for each in CHILDREN.values() if moved.name == each.name)
            put = put_to(moved, "A", organisations)
            said = pupils_of(organisations)
            assert all(statement.name == child.name for pupil in put for statement in said[pupil])
            referred = Organisation(dict(organisations["A"].said))
            referred.refer("passed", moved)
            organisations["A"].take_over(["passed"], moved)
            assert organisations["A"].pupils() == referred.pupils()
            assert not derive(pupils_of(organisations), ()).matches


def test_a_slip_in_what_a_school_asks_is_put_to_nobody() -> None:
    organisations = {"A": Organisation(), "B": Organisation({"R-1": CHILDREN["Ash"]})}
    assert put_to(CHILDREN["Ash"], "A", organisations) == {("B", "R-1")}
    assert put_to(CHILDREN["Ash"], "B", organisations) == set()
    for slip in FALSE:
        assert put_to(slip, "A", organisations) == set()


@pytest.mark.parametrize("link", [True, False])
def test_a_match_is_closed_by_its_decision(link: bool) -> None:
    one, other = ("A", "R-1"), ("B", "R-2")
    pupils = {one: [CHILDREN["Ash"]], other: [FALSE[1]]}
    assert derive(pupils, ()) == Persons(
        frozenset(map(frozenset, ([one], [other]))), frozenset([frozenset((one, other))])
    )
    linked = [[one, other]] if link else [[one], [other]]
    assert derive(pupils, {Decision(one, other, link)}) == Persons(frozenset(map(frozenset, linked)), frozenset())


def test_a_corrected_statement_leaves_what_the_right_one_would_have_made() -> None:
    for wrong in FALSE:
        for events in _events(TRUE, 2):
            for right in TRUE:
                corrected, stated = _start(), _start()
                for organisations in (corrected, stated):
                    for event in events:
                        _say(organisations, event, TRUE)
                try:
                    corrected["A"].refer("corrected", wrong)
                    corrected["A"].correct("corrected", right)
                except Contradiction:
                    continue
                stated["A"].refer("corrected", right)
                assert _referrals(derive(pupils_of(corrected), ()), corrected) == _referrals(
                    derive(pupils_of(stated), ()), stated
                )


def test_a_permanent_number_follows_a_temporary_one_and_stays_the_same_child() -> None:
    school = Organisation()
    school.refer("R-1", TEMPORARY[0])
    school.refer("R-2", TEMPORARY[0])
    school.correct("R-1", CHILDREN["Ash"])
    assert school.pupils() == [frozenset({"R-1", "R-2"})]


def test_a_later_number_joins_two_pupils_under_the_older_id_and_its_correction_parts_them() -> None:
    school, ash = Organisation(), CHILDREN["Ash"]
    school.refer("R-1", ash._replace(nhs_number=None))
    school.refer("R-2", ash._replace(upn=None))
    assert school.pupil_of("R-2") == "R-2"
    assert school.refer("R-3", ash) == {"R-1", "R-2"}
    assert [school.pupil_of(each) for each in school.said] == ["R-1"] * 3
    school.correct("R-3", CHILDREN["Clover"])
    assert [school.pupil_of(each) for each in school.said] == ["R-1", "R-2", "R-3"]


def test_a_contradiction_through_a_third_statement_is_refused_too() -> None:
    """No pair of these shares one number and differs in another; the three together give one child two UPNs."""
    school, ash = Organisation(), CHILDREN["Ash"]
    school.refer("R-1", ash)
    school.refer("R-2", TEMPORARY[2])
    with pytest.raises(Contradiction) as refused:
        school.refer("R-3", TEMPORARY[1])
    assert refused.value.fields == {"upn", "nhs_number"}
    assert list(school.said) == ["R-1", "R-2"]


def test_a_child_without_numbers_is_asked_about_and_becomes_one_pupil_only_by_the_senders_word() -> None:
    school = Organisation()
    school.refer("R-1", UNNUMBERED[0])
    with pytest.raises(SameNameAndBirth, match="R-1"):
        school.refer("R-2", UNNUMBERED[0])
    school.refer("R-2", UNNUMBERED[0]._replace(not_the_same_as=frozenset({"R-1"})))
    with pytest.raises(SameNameAndBirth) as asked:
        school.refer("R-3", UNNUMBERED[0])
    assert asked.value.referrals == ("R-1", "R-2"), "one of each pupil"
    apart = frozenset({"R-2"})
    school.refer("R-3", UNNUMBERED[0]._replace(same_as="R-1", not_the_same_as=apart))
    assert school.pupils() == [frozenset({"R-1", "R-3"}), frozenset({"R-2"})]
    with pytest.raises(SameNameAndBirth):
        school.correct("R-3", UNNUMBERED[0])
    school.correct("R-3", UNNUMBERED[0]._replace(not_the_same_as=frozenset({"R-1", "R-2"})))
    assert len(school.pupils()) == 3, "the sender takes its word back"


def test_whether_the_sender_is_asked_does_not_depend_on_which_referral_has_the_number() -> None:
    for one, other in permutations([UNNUMBERED[0], CHILDREN["Ash"]]):
        school = Organisation()
        school.refer("R-1", one)
        with pytest.raises(SameNameAndBirth, match="R-1"):
            school.refer("R-2", other)


def test_a_child_who_is_said_to_be_another_shares_no_number_with_it() -> None:
    school, ash = Organisation(), CHILDREN["Ash"]
    school.refer("R-1", ash)
    with pytest.raises(Contradiction) as refused:
        school.refer("R-2", ash._replace(not_the_same_as=frozenset({"R-1"})))
    assert refused.value.fields == {"not_the_same_as"}


def test_what_every_referral_of_a_pupil_says_is_corrected_at_once() -> None:
    school, wrong = Organisation(), CHILDREN["Ash"]._replace(date_of_birth="2016-04-05")
    school.refer("R-1", wrong)
    school.refer("R-2", wrong._replace(nhs_number=None))
    with pytest.raises(Contradiction):
        school.correct("R-1", CHILDREN["Ash"])
    school.correct("R-1", CHILDREN["Ash"], for_all=["date_of_birth"])
    assert list(school.said.values()) == [CHILDREN["Ash"], CHILDREN["Ash"]._replace(nhs_number=None)]


def test_a_temporary_number_never_takes_the_place_of_a_permanent_one() -> None:
    school = Organisation()
    school.refer("R-1", CHILDREN["Ash"])
    with pytest.raises(Contradiction) as refused:
        school.correct("R-1", TEMPORARY[0])
    assert refused.value.fields == {"temporary_upn"}


def test_a_number_that_a_trust_traced_links_a_childs_pupils_and_joins_none_of_them() -> None:
    organisations, ash = _start(), CHILDREN["Ash"]
    organisations["A"].refer("R-1", ash._replace(nhs_number=None, about="R-1"))
    organisations["B"].refer("R-2", ash._replace(upn=None, about="R-2"))
    organisations[TRUST].refer("traced", Statement(None, nhs_number="nhs-1", about="R-1"))
    persons = derive(pupils_of(organisations), ())
    assert persons == Persons(frozenset({frozenset({("A", "R-1"), ("B", "R-2"), (TRUST, "traced")})}), frozenset())


def test_a_false_number_that_a_trust_traced_is_a_match_for_a_person_to_decide() -> None:
    organisations = _start()
    organisations["A"].refer("R-1", CHILDREN["Ash"]._replace(about="R-1"))
    organisations[TRUST].refer("traced", Statement(None, nhs_number="nhs-2", about="R-1"))
    assert derive(pupils_of(organisations), ()).matches == {frozenset({("A", "R-1"), (TRUST, "traced")})}


def _decided(most: int) -> Iterator[tuple[dict[str, Organisation], Decision]]:
    """Return statements with each decision that can be made of two of their pupils."""
    for events in _events(SAID, most):
        organisations = _start()
        for event in events:
            _say(organisations, event, SAID)
        for one, other in combinations(pupils_of(organisations), 2):
            for link in (True, False):
                (decision,) = decide(frozenset(), Decision(one, other, link), pupils_of(organisations))
                yield organisations, decision


def test_what_is_stated_besides_changes_nothing_that_a_person_decided() -> None:
    for organisations, decision in _decided(2):
        for event in [(who, what, 9) for who in SCHOOLS for what in range(len(SAID))]:
            later = {name: Organisation(each.said) for name, each in organisations.items()}
            _say(later, event, SAID)
            for decided in resolved([decision], later):
                together = [
                    group
                    for group in derive(pupils_of(later), {decided}).linked
                    if {decided.one, decided.other} <= group
                ]
                assert bool(together) is decision.link, event


def test_a_link_holds_for_what_was_stated_when_it_was_decided_and_keeping_apart_whatever_is_corrected() -> None:
    for organisations, decision in _decided(2):
        for name, referral in ((name, code) for name, each in organisations.items() for code in each.said):
            for other in SAID:
                later = {each: Organisation(dict(organisation.said)) for each, organisation in organisations.items()}
                try:
                    later[name].correct(referral, other._replace(about=referral))
                except (Contradiction, SameNameAndBirth):
                    continue
                pupils = pupils_of(later)
                for decided in resolved([decision], later):
                    pair = {decided.one, decided.other}
                    stated = {each for pupil in pair for each in values(pupil, pupils[pupil])}
                    persons = derive(pupils, {decided})
                    together = any(pair <= group for group in persons.linked)
                    assert together is (decision.link and decided.stated <= stated), (decision, other)
                    undecided = decision.link and not together
                    assert not undecided or any(pair <= group for group in persons.matches)


@pytest.mark.parametrize("link", [True, False])
def test_a_link_that_a_correction_made_void_is_a_match_until_somebody_decides_again(link: bool) -> None:
    organisations = {"A": Organisation({"R-1": CHILDREN["Ash"]}), "B": Organisation({"R-2": FALSE[1]})}
    one, other = ("A", "R-1"), ("B", "R-2")
    alone, together = frozenset([frozenset([one]), frozenset([other])]), frozenset([frozenset([one, other])])
    decisions = decide(frozenset(), Decision(one, other, link=True), pupils_of(organisations))
    organisations["A"].correct("R-1", CHILDREN["Clover"])
    corrected = pupils_of(organisations)
    assert derive(corrected, decisions) == Persons(alone, together)
    decided = decide(decisions, Decision(one, other, link), corrected)
    assert derive(corrected, decided) == Persons(together if link else alone, frozenset())
    organisations["A"].correct("R-1", CHILDREN["Ash"])
    assert derive(pupils_of(organisations), decisions) == Persons(together, frozenset())


def test_a_link_of_a_pupil_whose_oldest_referral_turns_out_to_be_of_another_child_holds_for_neither() -> None:
    school, other = Organisation(), ("B", "R-9")
    for code in ("R-1", "R-2"):
        school.refer(code, CHILDREN["Ash"])
    organisations = {"A": school, "B": Organisation({"R-9": FALSE[1]})}
    decisions = decide(frozenset(), Decision(("A", "R-1"), other, link=True), pupils_of(organisations))
    school.correct("R-1", CHILDREN["Clover"])
    persons = derive(pupils_of(organisations), resolved(decisions, organisations))
    assert persons.linked == {frozenset([each]) for each in [("A", "R-1"), ("A", "R-2"), other]}
    assert persons.matches == {frozenset([("A", "R-1"), ("A", "R-2"), other])}


def test_a_decision_follows_a_pupil_to_the_older_id_until_its_organisation_itself_says_that_both_are_one() -> None:
    school, ash = Organisation(), CHILDREN["Ash"]
    school.refer("R-1", ash._replace(nhs_number=None))
    school.refer("R-2", ash._replace(upn=None))
    school.refer("R-3", ash)
    organisations = {"A": school, "B": Organisation({"R-9": CHILDREN["Clover"]})}
    decision = Decision(("A", "R-2"), ("B", "R-9"), link=True)
    assert resolved([decision], organisations) == [Decision(("A", "R-1"), ("B", "R-9"), link=True)]
    assert resolved([Decision(("A", "R-1"), ("A", "R-2"), link=False)], organisations) == []


def test_who_saw_a_child_is_found_by_the_statements_that_events_name_whatever_was_linked_since() -> None:
    """An event names the statement that was read and never changes; the person is resolved by whoever asks."""
    for organisations, decision in _decided(3):
        events = [(name, referral) for name, each in organisations.items() for referral in each.said]
        for decisions in (set(), {decision}):
            seen = {
                person: [
                    (name, referral)
                    for name, referral in events
                    if (name, organisations[name].pupil_of(referral)) in person
                ]
                for person in derive(pupils_of(organisations), decisions).linked
            }
            assert sorted(event for each in seen.values() for event in each) == sorted(events)


def test_a_worker_derives_the_same_after_a_decision_and_what_was_before_once_it_is_withdrawn() -> None:
    for organisations, decision in _decided(3):
        pupils = pupils_of(organisations)
        before, touched = derive(pupils, ()), {decision.one, decision.other}
        decided = rederive(before, touched, pupils, {decision})
        assert decided == derive(pupils, {decision})
        assert rederive(decided, touched, pupils, ()) == before


def test_a_decision_that_contradicts_earlier_ones_is_refused() -> None:
    one, two, three = ("A", "R-1"), ("B", "R-2"), ("C", "R-3")
    decisions = decide(decide(frozenset(), Decision(one, two, link=True), {}), Decision(one, three, link=False), {})
    with pytest.raises(Refused):
        decide(decisions, Decision(two, three, link=True), {})


def test_a_decision_that_is_withdrawn_for_some_pupils_stays_for_the_others() -> None:
    one, two, three, four = (("A", f"R-{number}") for number in range(4))
    of_three = {Decision(*pair, link=True, made=1) for pair in combinations([one, two, three], 2)}
    of_two = {Decision(three, four, link=False, made=2)}
    decisions = of_three | of_two
    assert withdraw(decisions, [one]) == {Decision(two, three, link=True, made=1)} | of_two
    assert withdraw(decisions, [one, two]) == of_two
    assert withdraw(decisions, [three]) == {Decision(one, two, link=True, made=1)}
    assert withdraw(decisions, [one, four]) == decisions, "no decision is about both"


def test_groups_are_the_same_in_every_order_of_their_edges() -> None:
    edges = [("a", "b"), ("a", "c"), ("d", "e")]
    for order in permutations(edges):
        assert set(components("abcdef", order)) == {frozenset("abc"), frozenset("de"), frozenset("f")}
