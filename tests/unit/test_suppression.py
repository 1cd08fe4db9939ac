"""Small numbers: whatever the table, nobody can work out a hidden count, and nothing more is hidden than that takes."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from support.tiers import size

from convenor.domain_types.statistics import Figure, Status
from convenor.insights.suppression import Policy, ProtectedTable, suppress_table

DEFAULT = Policy()
HIDDEN = Figure.without_value(Status.SUPPRESSED)
Counts = tuple[tuple[int, ...], ...]
Place = tuple[int, int]


def table(counts: Counts, policy: Policy = DEFAULT) -> ProtectedTable[int, int]:
    height, width = len(counts), len(counts[0])
    by_place = {(i, j): counts[i][j] for i in range(height) for j in range(width)}
    return suppress_table(by_place, range(height), range(width), policy)


def with_totals(counts: Counts) -> list[list[int]]:
    lines = [[*line, sum(line)] for line in counts]
    return [*lines, [sum(column) for column in zip(*lines, strict=True)]]


def published(protected: ProtectedTable[int, int]) -> list[list[Figure]]:
    """The table as a reader sees it, with its totals as last column and last row."""
    rows, columns = sorted(protected.row_totals), sorted(protected.column_totals)
    lines = [[*(protected.cells[i, j] for j in columns), protected.row_totals[i]] for i in rows]
    return [*lines, [*(protected.column_totals[j] for j in columns), protected.total]]


def hidden_places(protected: ProtectedTable[int, int]) -> set[Place]:
    return {(i, j) for i, line in enumerate(published(protected)) for j, shown in enumerate(line) if shown == HIDDEN}


def tables(largest: int, height: int, width: int) -> st.SearchStrategy[Counts]:
    return st.tuples(st.integers(1, height), st.integers(1, width)).flatmap(
        lambda shape: st.tuples(*[st.tuples(*[st.integers(0, largest)] * shape[1])] * shape[0])
    )


def what_a_reader_can_work_out(counts: Counts, policy: Policy) -> set[Place]:
    """The hidden places that can have one value only, by trying every table that agrees with what is published.

    The reader knows which cells and column totals are hidden for being small, except for the total of a column of as
    many ones as the threshold: with that, not even an empty page would keep a secret. It is enough to try each hidden
    cell at its value and one to either side, for another table that agrees can be walked to in such steps.
    """
    hidden, truth = hidden_places(table(counts, policy)), with_totals(counts)
    height, width = len(counts), len(counts[0])

    def hopeless(j: int) -> bool:
        column = [line[j] for line in counts if line[j]]
        return column == [1] * policy.threshold

    def agrees(i: int, j: int, value: int) -> bool:
        if (i, j) not in hidden:
            return value == truth[i][j]
        small = 1 <= truth[i][j] <= policy.threshold and j < width and not (i == height and hopeless(j))
        return 1 <= value <= policy.threshold if small else value >= 0

    def lines(i: int) -> list[tuple[int, ...]]:
        choices = [
            [value for value in range(count - 1, count + 2) if agrees(i, j, value)] for j, count in enumerate(counts[i])
        ]
        return [line for line in product(*choices) if agrees(i, width, sum(line))]

    seen: dict[Place, set[int]] = {place: set() for place in hidden}
    for guess in product(*(lines(i) for i in range(height))):
        full = with_totals(guess)
        if all(agrees(height, j, full[height][j]) for j in range(width + 1)):
            for i, j in hidden:
                seen[i, j].add(full[i][j])
    return {place for place, values in seen.items() if len(values) < 2}


@pytest.mark.parametrize("threshold", [-1, 0, 1])
def test_a_threshold_that_hides_ones_only_hides_nothing_and_is_refused(threshold: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Policy(threshold)


@pytest.mark.parametrize(
    ("counts", "message"),
    [({("09", "2"): -1}, "negative"), ({("10", "2"): 1}, "outside"), ({("09", "9"): 1}, "outside")],
)
def test_counts_that_no_table_has_are_refused(counts: dict[tuple[str, str], int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        suppress_table(counts, ["09"], ["1", "2"], DEFAULT)


def test_a_row_or_column_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        suppress_table({}, ["09", "09"], ["1"], DEFAULT)
    with pytest.raises(ValueError, match="once"):
        suppress_table({}, ["09"], ["1", "1"], DEFAULT)


@settings(max_examples=size(300, 3_000), deadline=None)
@given(tables(largest=7, height=3, width=3), st.integers(2, 4))
def test_no_hidden_number_can_be_worked_out(counts: Counts, threshold: int) -> None:
    assert what_a_reader_can_work_out(counts, Policy(threshold)) == set()


@settings(max_examples=size(300, 3_000), deadline=None)
@given(tables(largest=2, height=3, width=3), st.integers(2, 4))
def test_no_hidden_number_can_be_worked_out_where_nearly_all_are_ones_and_zeros(counts: Counts, threshold: int) -> None:
    assert what_a_reader_can_work_out(counts, Policy(threshold)) == set()


@settings(max_examples=size(60, 600), deadline=None)
@given(tables(largest=12, height=12, width=8))
def test_every_small_number_is_hidden_and_no_line_has_exactly_one_hidden(counts: Counts) -> None:
    hidden, truth = hidden_places(table(counts)), with_totals(counts)
    small = {(i, j) for i, line in enumerate(truth) for j, count in enumerate(line[:-1]) if 1 <= count <= 4}
    assert small <= hidden
    for line in range(len(truth)):
        assert sum(i == line for i, _ in hidden) != 1
    for line in range(len(truth[0])):
        assert sum(j == line for _, j in hidden) != 1


@settings(max_examples=size(60, 600), deadline=None)
@given(tables(largest=12, height=12, width=8))
def test_what_is_shown_is_true_and_totals_are_the_sums(counts: Counts) -> None:
    for line, truths in zip(published(table(counts)), with_totals(counts), strict=True):
        for shown, truth in zip(line, truths, strict=True):
            assert shown in (HIDDEN, Figure.of(truth))


@settings(max_examples=size(60, 600), deadline=None)
@given(tables(largest=12, height=6, width=6), st.randoms())
def test_the_same_counts_get_the_same_answer_in_whatever_order_they_come(counts: Counts, random: object) -> None:
    by_place = {(i, j): count for i, line in enumerate(counts) for j, count in enumerate(line)}
    rows, columns, places = list(range(len(counts))), list(range(len(counts[0]))), list(by_place)
    for order in (rows, columns, places):
        random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = suppress_table({place: by_place[place] for place in places}, rows, columns, DEFAULT)
    assert shuffled == table(counts)


@settings(max_examples=size(60, 600), deadline=None)
@given(st.lists(st.lists(st.integers(0, 1).map(lambda some: some * 9), min_size=3, max_size=3), min_size=1, max_size=6))
def test_a_table_without_small_numbers_is_shown_whole(counts: list[list[int]]) -> None:
    assert hidden_places(table(tuple(tuple(line) for line in counts))) == set()


def test_a_missing_place_is_a_true_zero_and_an_empty_table_has_totals_of_zero() -> None:
    assert suppress_table({("09", "1"): 9}, ["09"], ["1", "2"], DEFAULT).cells["09", "2"] == Figure.of(0)
    nothing: ProtectedTable[str, str] = suppress_table({}, [], ["1"], DEFAULT)
    assert (nothing.column_totals, nothing.total) == ({"1": Figure.of(0)}, Figure.of(0))


def test_the_smallest_counts_are_hidden_with_a_small_one() -> None:
    counts = ((2, 50, 9), (40, 60, 70), (8, 80, 7))
    assert hidden_places(table(counts)) == {(0, 0), (0, 2), (2, 0), (2, 2)}


def test_true_zeros_are_shown_and_larger_counts_hidden_instead() -> None:
    counts = ((2, 0, 30), (0, 0, 40), (50, 0, 60))
    assert hidden_places(table(counts)) == {(0, 0), (0, 2), (2, 0), (2, 2)}


def test_a_zero_is_hidden_before_a_total_of_the_authority_where_nothing_else_is_left() -> None:
    # September has 3 referrals, all of one cluster: with the total shown, only a hidden zero casts doubt on the 3.
    protected = table(((3, 0), (20, 30)))
    assert hidden_places(protected) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert protected.row_totals == {0: Figure.of(3), 1: Figure.of(50)}


def test_two_ones_whose_shown_total_is_two_are_not_left_to_be_worked_out() -> None:
    # Two hidden of a row that adds up to 2 are both 1, so the row's own total must go, and another with it.
    protected = table(((1, 1, 0), (20, 30, 40), (50, 60, 70)))
    assert protected.row_totals[0] == HIDDEN
    assert what_a_reader_can_work_out(((1, 1, 0), (20, 30, 40), (50, 60, 70)), DEFAULT) == set()


def test_two_fours_whose_shown_total_is_eight_are_not_left_to_be_worked_out() -> None:
    counts = ((4, 4, 9), (20, 30, 40), (50, 60, 70))
    protected = table(counts)
    assert protected.cells[0, 2] == HIDDEN
    assert protected.row_totals[0] == Figure.of(17)


def test_a_small_total_of_a_cluster_is_hidden_and_the_authoritys_is_shown() -> None:
    protected = table(((1, 30, 40), (2, 50, 60)))
    assert protected.column_totals[0] == HIDDEN
    assert protected.row_totals == {0: Figure.of(71), 1: Figure.of(112)}
    assert protected.total == Figure.of(183)


def test_a_column_of_as_many_ones_as_the_threshold_is_hidden_with_its_total() -> None:
    counts = ((1, 9), (1, 9), (1, 9), (1, 9), (0, 9))
    assert {(i, 0) for i in (0, 1, 2, 3, 5)} <= hidden_places(table(counts))
    assert what_a_reader_can_work_out(counts, DEFAULT) == set()


def test_totals_of_the_authority_are_shown_in_a_year_of_ordinary_months() -> None:
    year = tuple(tuple((month * 7 + cluster * 5) % 13 for cluster in range(6)) for month in range(12))
    protected = table(year)
    assert hidden_places(protected)
    assert Status.SUPPRESSED not in {total.status for total in (*protected.row_totals.values(), protected.total)}


@pytest.mark.parametrize(
    ("value", "status"), [(None, "ok"), (None, "low"), (3, "c"), (0, "c"), (0, "z"), (0, "x"), (1, "low")]
)
def test_a_figure_whose_value_contradicts_its_status_is_refused(value: int | None, status: str) -> None:
    with pytest.raises(ValidationError):
        Figure(value=value, status=Status(status))


def test_zero_hidden_and_missing_stay_distinct_on_the_wire() -> None:
    low = Figure(value=Decimal("0.0"), status=Status.LOW)
    figures = [Figure.of(0), HIDDEN, Figure.without_value(Status.NOT_AVAILABLE), low]
    assert TypeAdapter(list[Figure]).dump_json(figures) == (
        b'[{"value":0,"status":"ok"},{"value":null,"status":"c"},'
        b'{"value":null,"status":"x"},{"value":0.0,"status":"low"}]'
    )


def test_a_figure_is_documented_as_a_number_and_a_closed_list_of_statuses() -> None:
    schema = Figure.model_json_schema(mode="serialization")
    assert {kind["type"] for kind in schema["properties"]["value"]["anyOf"]} == {"integer", "number", "null"}
    assert schema["$defs"]["Status"]["enum"] == ["ok", "c", "z", "x", "low"]
