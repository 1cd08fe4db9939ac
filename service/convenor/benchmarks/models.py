"""Benchmarks and findings: published values for an area, and for the places that it is compared with."""

from enum import StrEnum

from pydantic import BaseModel, Field
from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check
from convenor.domain_types.codes import Line, Phase, StrictStrEnum


class BenchmarkUnit(StrEnum):
    """The unit of a published value."""

    PERCENT = "percent"
    COUNT = "count"
    GBP = "gbp"
    PER_100_PUPILS = "per_100_pupils"


class BenchmarkPhase(StrictStrEnum):
    """The phase of education that a published value is for."""

    ALL = "all"
    NURSERY = Phase.NURSERY
    PRIMARY = Phase.PRIMARY
    MIDDLE_DEEMED_PRIMARY = Phase.MIDDLE_DEEMED_PRIMARY
    MIDDLE_DEEMED_SECONDARY = Phase.MIDDLE_DEEMED_SECONDARY
    SECONDARY = Phase.SECONDARY
    ALL_THROUGH = Phase.ALL_THROUGH
    SIXTEEN_PLUS = Phase.SIXTEEN_PLUS
    NOT_APPLICABLE = Phase.NOT_APPLICABLE


class BenchmarkFields(BaseModel):
    """One published value."""

    indicator: Line = Field(description="The indicator's code.")
    title: Line | None = Field(None, description="The finding in words, if the source gives it.")
    phase: BenchmarkPhase = Field(description="Phase of education, or `all`.")
    period: Line = Field(description="The period, as its source writes it.")
    geography: Line = Field(description="The place that the value describes.")
    value: float = Field(description="The value.")
    unit: BenchmarkUnit = Field(description="The unit of the value.")


class Benchmark(BenchmarkFields, AreaRow, table=True):
    """One published value, stored for the area that compares itself with it."""

    __table_args__ = (
        area_foreign_key(),
        UniqueConstraint("area_id", "indicator", "phase", "period", "geography"),
        enum_check("unit", BenchmarkUnit),
    )
    phase: str = ColumnField(sa_type=Text)
    unit: str = ColumnField(sa_type=Text)
