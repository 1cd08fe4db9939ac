"""Service level agreements: service, provider, clusters and period; terms in versions; KPIs with targets."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, Text, UniqueConstraint, false
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, period_check, tenant_foreign_key
from convenor.domain_types.codes import Code, Line, StrictStrEnum
from convenor.domain_types.dates import FullDate


class SlaStatus(StrictStrEnum):
    """The states of an SLA."""

    DRAFT = "draft"
    AGREED = "agreed"
    ACTIVE = "active"
    ENDED = "ended"


class Cadence(StrictStrEnum):
    """How often the provider reports."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    TERMLY = "termly"
    YEARLY = "yearly"


MONTHS_OF_A_PERIOD: Mapping[Cadence, int] = {
    Cadence.MONTHLY: 1,
    Cadence.QUARTERLY: 3,
    Cadence.TERMLY: 4,
    Cadence.YEARLY: 12,
}


class KpiUnit(StrictStrEnum):
    """The unit of a KPI's target."""

    PERCENT = "percent"
    COUNT = "count"


class KpiDirection(StrictStrEnum):
    """Whether a KPI is to reach its target or to stay below it."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class SlaFields(BaseModel):
    """The fields of an SLA."""

    code: Code = Field(description="The SLA's code within its area.")
    starts_on: FullDate = Field(description="First day of the term.")
    ends_on: FullDate = Field(description="Last day of the term.")
    cadence: Cadence = Field(description="How often the provider reports.")


class VolumeFields(BaseModel):
    """The volume of work, in a year or in a period."""

    sessions: int = Field(ge=0, le=1_000_000, description="The number of sessions.")
    pupils: int = Field(ge=0, le=1_000_000, description="The number of pupils.")
    schools: int = Field(ge=0, le=10_000, description="The number of schools.")


Pence = Annotated[int, Field(ge=0, le=10_000_000_000)]


class TermsFields(BaseModel):
    """The terms of one version of an SLA, for a year."""

    price_pence: Pence = Field(description="Price for a year, in pence.")


class KpiFields(BaseModel):
    """One measure that the provider reports."""

    kpi: Code = Field(description="The measure's code within the SLA.")
    name: Line = Field(description="The name of the measure.")
    unit: KpiUnit = Field(description="Whether the target is a percentage or a count.")
    target: float = Field(ge=0, le=1_000_000_000, description="The agreed value.")
    direction: KpiDirection = Field(
        KpiDirection.AT_LEAST, description="Whether the value is to be at least or at most the target."
    )


class Sla(SlaFields, AreaRow, table=True):
    """One agreement with one provider about one service."""

    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("commissioned_service", "service_id", "provider_id", onupdate="cascade"),
        tenant_foreign_key("provider", "provider_id"),
        UniqueConstraint("area_id", "code"),
        UniqueConstraint("area_id", "id", "provider_id"),
        enum_check("status", SlaStatus),
        enum_check("cadence", Cadence),
        CheckConstraint("ends_on >= starts_on", name="ends_on_after_starts_on"),
        Index("sla_by_provider", "area_id", "provider_id", "id"),
    )
    cadence: str = ColumnField(sa_type=Text)
    service_id: UUID
    provider_id: UUID
    status: str = ColumnField(default=SlaStatus.DRAFT.value, sa_type=Text)
    terms_version: int = 1
    """The number of the newest version of its terms, which may begin later than today."""
    version: int = 1


class SlaTerms(TermsFields, VolumeFields, SQLModel, table=True):
    """One version of the terms of an SLA, from `valid_from` until the next version."""

    __tablename__ = "sla_terms"
    __table_args__ = (tenant_foreign_key("sla", "sla_id"), period_check())
    area_id: UUID = ColumnField(primary_key=True)
    sla_id: UUID = ColumnField(primary_key=True)
    number: int = ColumnField(primary_key=True)
    price_pence: int = ColumnField(sa_type=BigInteger)
    valid_from: date
    valid_to: date | None = None


class SlaKpi(KpiFields, SQLModel, table=True):
    """One KPI of one version of an SLA."""

    __tablename__ = "sla_kpi"
    __table_args__ = (
        tenant_foreign_key("sla", "sla_id"),
        enum_check("unit", KpiUnit),
        enum_check("direction", KpiDirection),
    )
    area_id: UUID = ColumnField(primary_key=True)
    sla_id: UUID = ColumnField(primary_key=True)
    number: int = ColumnField(primary_key=True)
    kpi: str = ColumnField(primary_key=True)
    unit: str = ColumnField(sa_type=Text)
    direction: str = ColumnField(sa_type=Text)
    withdrawn: bool = ColumnField(default=False, sa_column_kwargs={"server_default": false()})
    """Removed while the SLA was a draft: nothing is deleted."""


class SlaCluster(SQLModel, table=True):
    """A cluster that an SLA serves."""

    __tablename__ = "sla_cluster"
    __table_args__ = (tenant_foreign_key("sla", "sla_id"), tenant_foreign_key("cluster", "cluster_id"))
    area_id: UUID = ColumnField(primary_key=True)
    sla_id: UUID = ColumnField(primary_key=True)
    cluster_id: UUID = ColumnField(primary_key=True)
    withdrawn: bool = ColumnField(default=False, sa_column_kwargs={"server_default": false()})
    """Removed while the SLA was a draft."""


class SlaTransition(AreaRow, table=True):
    """One step in the life of an SLA: who, when, why."""

    __tablename__ = "sla_transition"
    __table_args__ = (
        tenant_foreign_key("sla", "sla_id", "provider_id", onupdate="cascade"),
        Index("sla_transition_by_sla", "area_id", "sla_id", "id"),
    )
    sla_id: UUID
    provider_id: UUID
    from_status: str | None = None
    to_status: str
    reason: str | None = None
    client_id: str
    organisation: str
    at: datetime = ColumnField(sa_type=DateTime(timezone=True))
    sealed_identity: bytes | None = ColumnField(None, sa_type=LargeBinary)
