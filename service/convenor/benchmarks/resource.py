"""Declare benchmarks."""

from uuid import UUID

from pydantic import Field

from convenor.benchmarks.models import BenchmarkFields, BenchmarkPhase
from convenor.domain_types.codes import Line
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Resource, Several, Sort


class BenchmarkRead(BenchmarkFields):
    """One published value."""

    id: UUID = Field(description="The value's id.")


BENCHMARKS = Resource(
    name="benchmarks",
    singular="benchmark",
    table="benchmark",
    read=BenchmarkRead,
    row_access=OPEN_TO_AREA,
    scope="areas:read",
    order="indicator",
    sorts={
        "indicator": Sort("indicator", "text"),
        "period": Sort("period", "text"),
        "geography": Sort("geography", "text"),
    },
    filters={
        "indicator": Filter("{t}.indicator = {v}", "text", Line, "Values of the indicator with this code."),
        "geography": Filter("{t}.geography = {v}", "text", Line, "Values for this place."),
        "phase": Filter(
            "{t}.phase = any({v})",
            "text[]",
            Several[BenchmarkPhase],
            "Values for this phase of education, or for `all`.",
        ),
        "period": Filter("{t}.period = {v}", "text", Line, "Values for this period, as its source writes it."),
    },
)
