"""Small-number suppression: which counts may be shown, so that neither they nor their totals point to a child.

A table is decided once, at its finest, margins included; every answer about it is read from that one decision, so that
no answer can be subtracted from another. In a table that adds up, a hidden count is safe exactly where it lies on a
closed walk of hidden counts, along rows and columns in turn, that can all move by one and still add up: the cheapest
such walk is hidden.

Source: L. H. Cox, "Network models for complementary cell suppression", Journal of the American Statistical Association
90 (1995).
"""

import heapq
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from convenor.domain_types.statistics import LARGEST_SUPPRESSED, Figure, Status

Row = TypeVar("Row", bound=Hashable)
Column = TypeVar("Column", bound=Hashable)

_Place = tuple[int, int]
_Cost = tuple[int, int, int, int]
_FREE: _Cost = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Policy:
    """Suppression of one data set: counts from 1 to `threshold` below the level of a local authority are hidden.

    Raises:
        ValueError: `threshold` is below 2; a hidden count that can only be 1 is not hidden.
    """

    threshold: int = LARGEST_SUPPRESSED

    def __post_init__(self) -> None:
        if self.threshold < 2:
            raise ValueError("The threshold must be at least 2, or every hidden count is known to be 1.")

    def hides(self, count: int) -> bool:
        """Tell whether a count, by itself, is too small to show. A true zero is not."""
        return 1 <= count <= self.threshold


@dataclass(frozen=True, slots=True)
class ProtectedTable(Generic[Row, Column]):
    """A two-way table with its margins, all from one decision. Hidden figures have status `c`."""

    cells: Mapping[tuple[Row, Column], Figure]
    row_totals: Mapping[Row, Figure]
    column_totals: Mapping[Column, Figure]
    total: Figure


def suppress_table(
    counts: Mapping[tuple[Row, Column], int], rows: Collection[Row], columns: Collection[Column], policy: Policy
) -> ProtectedTable[Row, Column]:
    """Protect a table of one area, such as months (rows) by clusters (columns).

    Cells and column totals (a cluster over the year) lie below the level of the authority and are hidden where small.
    Row totals and the grand total (all clusters) are the authority's own, and shown unless nothing else protects.

    What holds of the result, for a reader who knows the published figures, that everything adds up, and even which
    figures were hidden for being small (thus 1 to the threshold): each hidden figure has two possible values or more,
    and no row or column, its total included, has exactly one hidden figure. Only where a whole column's total could be
    no other number even if nothing were shown (four ones of a total known to be at most 4), that reader is taken not
    to know that the total itself is small.

    Complements are the smallest counts that do it; true zeros stay shown unless only they are left. The answer depends
    on the counts alone, not on the order of rows, columns or mapping.

    Args:
        counts: persons or cases by (row, column); a place that is missing is a true zero.
        rows: every row, each once; a month yet to come is not a row.
        columns: every column, each once.
        policy: the data set's threshold.

    Raises:
        ValueError: a count is negative or outside the table, or a row or column is named twice.
    """
    across, down = sorted(rows, key=str), sorted(columns, key=str)
    if len(set(across)) < len(across) or len(set(down)) < len(down):
        raise ValueError("Name each row and each column once.")
    if counts.keys() - {(row, column) for row in across for column in down}:
        raise ValueError("A count lies outside the rows and columns of the table.")
    if any(count < 0 for count in counts.values()):
        raise ValueError("A count cannot be negative.")
    grid = _Grid([[counts.get((row, column), 0) for column in down] for row in across], len(down), policy)
    grid.protect()
    i_total, j_total = len(across), len(down)
    return ProtectedTable(
        cells={(row, col): grid.figure((i, j)) for i, row in enumerate(across) for j, col in enumerate(down)},
        row_totals={row: grid.figure((i, j_total)) for i, row in enumerate(across)},
        column_totals={col: grid.figure((i_total, j)) for j, col in enumerate(down)},
        total=grid.figure((i_total, j_total)),
    )


class _Grid:
    """Counts with their margins as last row and last column, and the places hidden so far."""

    def __init__(self, counts: Sequence[Sequence[int]], width: int, policy: Policy) -> None:
        lines = [[*line, sum(line)] for line in counts]
        lines.append([sum(line[j] for line in lines) for j in range(width + 1)])
        self._counts, self._threshold = lines, policy.threshold
        self._last_row, self._last_column = len(counts), width
        self._small = {
            (i, j) for i, line in enumerate(lines) for j, count in enumerate(line[:width]) if policy.hides(count)
        }
        self._hidden = set(self._small)

    def figure(self, place: _Place) -> Figure:
        """Return what is published of a place."""
        if place in self._hidden:
            return Figure.without_value(Status.SUPPRESSED)
        return Figure.of(self._counts[place[0]][place[1]])

    def protect(self) -> None:
        """Hide complements until every hidden place can take another value.

        A place once safe stays safe, for hiding more only adds ways to move: each needs to be looked at once.
        """
        safe: set[_Place] = set()
        for place in sorted(self._small):
            if place not in safe:
                walk = self._cheapest_walk(place)
                self._hidden.update(walk)
                safe.update(walk)

    def _cheapest_walk(self, place: _Place) -> list[_Place]:
        for totals_bounded in (True, False):
            up = self._walk(place, 1, totals_bounded)
            if up is not None and up[0] == _FREE:
                return up[1]
            down = self._walk(place, -1, totals_bounded)
            if found := [walk for walk in (up, down) if walk is not None]:
                return min(found)[1]
        raise AssertionError("A small count, its totals and the grand total can always move together.")

    def _walk(self, start: _Place, step: int, totals_bounded: bool) -> tuple[_Cost, list[_Place]] | None:
        """Find the cheapest closed walk through `start` on which all can move by one when `start` moves by `step`.

        Dijkstra's search between lines: a row and a column meet in a place. Having moved the place by which it came to
        a line, the walk leaves by another place of the line, moved so that the line adds up again. `push` is the
        direction of the walk from rows to columns; a place in one margin counts against its line, hence its sign.
        """
        if not self._can_move(start, step, totals_bounded):
            return None
        push = step * self._sign(start)
        goal, origin = (True, start[0]), (False, start[1])
        best: dict[tuple[bool, int], _Cost] = {origin: _FREE}
        came: dict[tuple[bool, int], tuple[tuple[bool, int], _Place]] = {}
        queue = [(_FREE, origin)]
        while queue:
            cost, line = heapq.heappop(queue)
            if line == goal:
                break
            for following, place in self._crossings(line):
                if following in best and best[following] <= cost:
                    continue
                move = (push if line[0] else -push) * self._sign(place)
                if place == start or not self._can_move(place, move, totals_bounded):
                    continue
                price = self._price(place)
                reached: _Cost = (cost[0] + price[0], cost[1] + price[1], cost[2] + price[2], cost[3] + price[3])
                if following not in best or reached < best[following]:
                    best[following] = reached
                    came[following] = (line, place)
                    heapq.heappush(queue, (reached, following))
        if goal not in best:
            return None
        walk, line = [start], goal
        while line != origin:
            line, place = came[line]
            walk.append(place)
        return best[goal], walk

    def _crossings(self, line: tuple[bool, int]) -> Iterator[tuple[tuple[bool, int], _Place]]:
        is_row, index = line
        if is_row:
            return (((False, j), (index, j)) for j in range(self._last_column + 1))
        return (((True, i), (i, index)) for i in range(self._last_row + 1))

    def _sign(self, place: _Place) -> int:
        return -1 if (place[0] == self._last_row) != (place[1] == self._last_column) else 1

    def _can_move(self, place: _Place, move: int, totals_bounded: bool) -> bool:
        moved = self._counts[place[0]][place[1]] + move
        if place in self._small and (totals_bounded or place[0] != self._last_row):
            return 1 <= moved <= self._threshold
        return moved >= 0

    def _price(self, place: _Place) -> _Cost:
        """Return the cost of hiding a place, in this order: figures of the authority, true zeros, count, places."""
        if place in self._hidden:
            return _FREE
        count = self._counts[place[0]][place[1]]
        return (int(place[1] == self._last_column), int(count == 0), count, 1)
