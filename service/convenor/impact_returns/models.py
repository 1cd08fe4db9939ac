"""Impact returns: a provider's reports against its SLA for a period, checked when they arrive."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, enum_check, tenant_foreign_key
from convenor.domain_types.codes import Code, Prose, StrictStrEnum
from convenor.slas.models import Pence, VolumeFields


class ReturnStatus(StrictStrEnum):
    """The states of a return."""

    SUBMITTED = "submitted"
    VALIDATED = "validated"
    ACCEPTED = "accepted"
    RETURNED = "returned"


class CheckOutcome(StrictStrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"


class MeasureFields(BaseModel):
    """One KPI of the SLA, as reported."""

    kpi: Code = Field(description="The KPI's code in the SLA.")
    # First, so that it is known when the numerator is validated.
    denominator: int = Field(ge=0, le=1_000_000_000, description="How many were measured.")
    numerator: int = Field(ge=0, le=1_000_000_000, description="How many met the measure.")


class CheckFields(BaseModel):
    """One comparison of a return with its SLA. A warning blocks nothing: people decide."""

    check: str = Field(description="The comparison.", examples=["sessions_against_sla"])
    kpi: str | None = Field(None, description="For `measure_against_target`: the KPI.")
    outcome: CheckOutcome = Field(
        description="`ok`; or `warn` if the return is below what is agreed or above the agreed price."
    )
    expected: int | float | None = Field(description="What the SLA expects; null where it expects nothing.")
    reported: int | float | None = Field(description="What was reported; null where nothing can be computed.")
    detail: str = Field(description="The comparison in a sentence.")


class ReturnFields(BaseModel):
    """The fields of a return."""

    cost_pence: Pence = Field(description="The cost of the period, in pence.")
    narrative: Prose | None = Field(
        None,
        description="An account of the period, in the provider's words. It may name a child: some roles do not see it.",
    )


class ImpactReturn(ReturnFields, VolumeFields, AreaRow, table=True):
    """One return of one provider for one period."""

    __tablename__ = "impact_return"
    __table_args__ = (
        tenant_foreign_key("sla", "sla_id", "provider_id", onupdate="cascade"),
        UniqueConstraint("area_id", "id", "provider_id"),
        enum_check("status", ReturnStatus),
        CheckConstraint("period_to >= period_from", name="period_to_after_from"),
        Index("return_by_sla", "area_id", "sla_id", "period_from"),
        Index("return_by_provider", "area_id", "provider_id", "submitted_at", "id"),
        Index("return_by_time", "area_id", "submitted_at", "id"),
    )
    cost_pence: int = ColumnField(sa_type=BigInteger)
    sla_id: UUID
    provider_id: UUID
    terms_number: int
    period_from: date
    period_to: date
    status: str
    checks: list[dict[str, Any]] = ColumnField(sa_type=JSONB)
    submitted_at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    version: int = 1
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)


class ImpactReturnMeasure(MeasureFields, SQLModel, table=True):
    """One reported measure of one return."""

    __tablename__ = "impact_return_measure"
    __table_args__ = (
        tenant_foreign_key("impact_return", "impact_return_id", "provider_id", onupdate="cascade"),
        CheckConstraint("numerator <= denominator", name="numerator_within_denominator"),
    )
    area_id: UUID = ColumnField(primary_key=True)
    impact_return_id: UUID = ColumnField(primary_key=True)
    kpi: str = ColumnField(primary_key=True)
    provider_id: UUID


class ImpactReturnTransition(AreaRow, table=True):
    """One step of a return: who, when, why."""

    __tablename__ = "impact_return_transition"
    __table_args__ = (
        tenant_foreign_key("impact_return", "impact_return_id", "provider_id", onupdate="cascade"),
        Index("return_transition_by_return", "area_id", "impact_return_id", "id"),
    )
    impact_return_id: UUID
    provider_id: UUID
    from_status: str | None = None
    to_status: str
    reason: str | None = None
    client_id: str
    organisation: str
    at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
