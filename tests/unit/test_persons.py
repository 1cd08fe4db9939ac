"""What the worker derives is what the model derives, for whatever is said and decided."""

from itertools import combinations
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from support.identity_model import Decision, Statement, differ
from support.identity_model import derive as of_model
from support.tiers import size

from convenor.pupil_matches.models import MatchStatus
from convenor.pupil_matches.persons import COMPARED, contradicts, derive
from convenor.pupil_matches.persons import Decision as Decided

PUPILS = [UUID(int=number) for number in range(1, 6)]
VALUES = st.sampled_from([None, None, "one", "two"])
SAID = st.builds(
    Statement,
    date_of_birth=st.sampled_from(["2016", "2015"]),
    upn=VALUES,
    temporary_upn=VALUES,
    nhs_number=VALUES,
    name=st.just(""),
    about=st.none(),
)
PAIRS = list(combinations(PUPILS, 2))
NO_LONGER_STATED = "no longer stated"
DECIDED = st.tuples(st.sampled_from(PAIRS), st.booleans(), st.sampled_from([None, None, 0, 1]))
"""Two pupils, whether somebody links them, and which of them states no longer what it did then."""


def _values(said: list[Statement]) -> dict[str, frozenset[str]]:
    return {column: frozenset(getattr(each, column) for each in said) - {None} for column in COMPARED}


@settings(max_examples=size(400, 20_000), deadline=None)
@given(
    said=st.lists(st.lists(SAID, min_size=1, max_size=2), min_size=2, max_size=5),
    made=st.sets(DECIDED, max_size=4),
)
def test_the_worker_links_the_persons_of_the_model_and_opens_its_matches(
    said: list[list[Statement]], made: set[tuple[tuple[UUID, UUID], bool, int | None]]
) -> None:
    # Statements of one school about one pupil never differ.
    pupils = {each: of_pupil for each, of_pupil in zip(PUPILS, said, strict=False) if not differ(of_pupil)}
    made = {each for each in made if set(each[0]) <= pupils.keys()}
    names = {each: (f"organisation {each.int}", "R") for each in pupils}
    of_names = {name: each for each, name in names.items()}
    expected = of_model(
        {names[each]: statements for each, statements in pupils.items()},
        [
            Decision(
                *(names[each] for each in pair),
                link,
                frozenset() if lapsed is None else frozenset([(names[pair[lapsed]], "upn", NO_LONGER_STATED)]),
            )
            for pair, link, lapsed in made
        ],
    )
    found = derive(
        {each: _values(statements) for each, statements in pupils.items()},
        [
            _decision(*pair, link=link, lapsed=pair[lapsed] if lapsed is not None else None)
            for pair, link, lapsed in made
        ],
    )
    linked = {
        frozenset(each for each in match.pupils if match.persons[each] == one)
        for match in found
        for one in match.persons.values()
    }
    alone = {frozenset([each]) for each in pupils} - {frozenset([each]) for match in found for each in match.pupils}
    assert linked | alone == {frozenset(of_names[each] for each in group) for group in expected.linked}
    open_groups = {frozenset(of_names[each] for each in group) for group in expected.matches}
    groups = {
        frozenset(each for each in match.pupils if match.groups[each] == one)
        for match in found
        for one in match.groups.values()
    }
    assert open_groups <= groups
    for match in found:
        assert (match.status is MatchStatus.OPEN) == any(group <= match.pupils for group in open_groups)
        if match.status is MatchStatus.LINKED:
            assert len(set(match.persons.values())) == 1
        for pair, link, _ in made:
            assert link or not match.pupils.issuperset(pair) or len({match.persons[each] for each in pair}) == 2


def _decision(*pupils: UUID, link: bool, lapsed: UUID | None = None) -> Decided:
    return Decided(link, {each: frozenset([NO_LONGER_STATED] if each == lapsed else []) for each in pupils})


def test_a_link_is_refused_that_would_join_pupils_who_are_kept_apart() -> None:
    one, two, three = PUPILS[:3]
    pupils = dict.fromkeys(PUPILS[:3], _values([Statement("2016")]))
    decided = [_decision(one, two, link=True), _decision(one, three, link=False)]
    assert contradicts(decided, _decision(two, three, link=True), pupils)
    assert not contradicts(decided, _decision(two, three, link=False), pupils)
    assert contradicts(decided, _decision(one, two, link=False), pupils)
    decided[0] = _decision(one, two, link=True, lapsed=two)
    assert not contradicts(decided, _decision(one, two, link=False), pupils), "the link no longer holds"
    assert contradicts(decided, _decision(one, two, three, link=True), pupils)


def test_a_pupil_of_whom_a_service_traced_another_number_is_a_match_by_itself() -> None:
    (match,) = derive(
        {PUPILS[0]: _values([Statement("2016", nhs_number="one"), Statement(None, nhs_number="two")])}, []
    )
    assert (match.status, match.agree, match.differ) == (MatchStatus.OPEN, (), ("nhs_number",))
