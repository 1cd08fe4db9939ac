"""Schools. Their memberships of clusters are in `clusters`."""

from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, period_check, tenant_foreign_key
from convenor.domain_types.codes import Laestab, Line, Phase, StrictStrEnum, Ukprn, Urn
from convenor.domain_types.dates import FullDate


class SchoolStatus(StrictStrEnum):
    """Whether a school is open."""

    PROPOSED = "proposed"
    OPEN = "open"
    CLOSED = "closed"


class SchoolFields(BaseModel):
    """The fields of a school."""

    urn: Urn | None = Field(None, description="Unique reference number; null where the sources state none.")
    name: Line = Field(description="The school's name, as its source writes it.")
    phase: Phase | None = Field(None, description="Phase of education.")
    status: SchoolStatus = Field(SchoolStatus.OPEN, description="Whether the school is open.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    laestab: Laestab | None = Field(None, description="LA code and establishment number.")
    opened_on: FullDate | None = Field(None, description="First day; null where not stated.")
    closed_on: FullDate | None = Field(None, description="The first day on which it is closed.")


class School(SchoolFields, AreaRow, table=True):
    """One school. An academy conversion closes the school and names its successor, which has its own URN."""

    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("school", "successor_id"),
        UniqueConstraint("area_id", "urn"),
        enum_check("phase", Phase),
        enum_check("status", SchoolStatus),
        period_check("opened_on", "closed_on"),
        Index("school_by_successor", "area_id", "successor_id", postgresql_where=text("successor_id is not null")),
    )
    phase: str | None = ColumnField(None, sa_type=Text)
    status: str = ColumnField(sa_type=Text)
    successor_id: UUID | None = None
    version: int = 1
