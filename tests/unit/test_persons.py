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


def _values(said: list[Statement]) -> dict[str, frozenset[str]]:
    return {column: frozenset(getattr(each, column) for each in said) - {None} for column in COMPARED}


@settings(max_examples=size(400, 20_000), deadline=None)
@given(
    said=st.lists(st.lists(SAID, min_size=1, max_size=2), min_size=2, max_size=5),
    links=st.sets(st.tuples(st.sampled_from(PAIRS), st.booleans()), max_size=4),
)
def test_the_worker_links_the_persons_of_the_model_and_opens_its_matches(
    said: list[list[Statement]], links: set[tuple[tuple[UUID, UUID], bool]]
) -> None:
    # Statements of one school about one pupil never differ.
    pupils = {each: of_pupil for each, of_pupil in zip(PUPILS, said, strict=False) if not differ(of_pupil)}
    decided = {(frozenset(pair), link) for pair, link in links if set(pair) <= pupils.keys()}
    names = {each: (f"organisation {each.int}", "R") for each in pupils}
    of_names = {name: each for each, name in names.items()}
    expected = of_model(
        {names[each]: statements for each, statements in pupils.items()},
        [Decision(*(names[each] for each in sorted(pair)), link) for pair, link in decided],
    )
    found = derive({each: _values(statements) for each, statements in pupils.items()}, decided)
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
        for pair, link in decided:
            assert link or not pair <= match.pupils or len({match.persons[each] for each in pair}) == 2


def test_a_link_is_refused_that_would_join_pupils_who_are_kept_apart() -> None:
    one, two, three = PUPILS[:3]
    decided = {(frozenset((one, two)), True), (frozenset((one, three)), False)}
    assert contradicts(decided, {(frozenset((two, three)), True)})
    assert not contradicts(decided, {(frozenset((two, three)), False)})
    assert contradicts(decided, {(frozenset((one, two)), False)})


def test_a_pupil_of_whom_a_service_traced_another_number_is_a_match_by_itself() -> None:
    (match,) = derive(
        {PUPILS[0]: _values([Statement("2016", nhs_number="one"), Statement(None, nhs_number="two")])}, set()
    )
    assert (match.status, match.agree, match.differ) == (MatchStatus.OPEN, (), ("nhs_number",))
