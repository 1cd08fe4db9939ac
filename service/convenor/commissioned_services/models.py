"""Commissioned services: what clusters buy, for which need, from which provider, and with what capacity."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, period_check, tenant_foreign_key
from convenor.domain_types.codes import AreaOfNeed, Code, Line, Prose, StrictStrEnum
from convenor.domain_types.dates import FullDate


class Offer(StrictStrEnum):
    """Whether every cluster of the area buys a service, or only some."""

    CORE = "core"
    LOCAL = "local"


class Level(StrictStrEnum):
    """The level of need that a service is for."""

    UNIVERSAL = "universal"
    TARGETED = "targeted"


class Audience(StrictStrEnum):
    """Who takes part."""

    PUPILS = "pupils"
    PARENTS = "parents"
    STAFF = "staff"
    SCHOOLS = "schools"


class DeliveryMode(StrictStrEnum):
    """How a service is delivered."""

    IN_SCHOOL = "in_school"
    CLUSTER_WIDE = "cluster_wide"
    REMOTE = "remote"
    TELEPHONE = "telephone"


class Evidence(StrictStrEnum):
    """Strength and breadth of the evidence, weakest first."""

    EMERGING = "emerging"
    PROMISING = "promising"
    GOOD = "good"
    ROBUST = "robust"


class ServiceFields(BaseModel):
    """The fields of a commissioned service. Null means not stated."""

    code: Code = Field(description="The service's code within its area.")
    name: Line = Field(description="The service's name, as its source writes it.")
    area_of_need: AreaOfNeed = Field(description="The area of need that it addresses.")
    offer: Offer = Field(description="Core (for every cluster) or local (an addition that some clusters chose).")
    level: Level | None = Field(None, description="Universal or targeted.")
    audience: Audience | None = Field(None, description="Who takes part.")
    delivery_mode: DeliveryMode | None = Field(None, description="How it is delivered.")
    setting: Line | None = Field(None, description="Where it is delivered.")
    eligibility: Prose | None = Field(None, description="Who may be referred.")
    evidence: Evidence | None = Field(None, description="Strength and breadth of its evidence.")
    valid_from: FullDate | None = Field(None, description="The first day on which it is offered.")
    valid_to: FullDate | None = Field(None, description="The first day on which it is no longer offered.")


class CommissionedService(ServiceFields, AreaRow, table=True):
    """One service that clusters of an area buy."""

    __tablename__ = "commissioned_service"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("provider", "provider_id"),
        UniqueConstraint("area_id", "code"),
        UniqueConstraint("area_id", "id", "provider_id"),
        enum_check("area_of_need", AreaOfNeed),
        enum_check("offer", Offer),
        enum_check("level", Level),
        enum_check("audience", Audience),
        enum_check("delivery_mode", DeliveryMode),
        enum_check("evidence", Evidence),
        period_check(),
        Index("service_by_provider", "area_id", "provider_id"),
    )
    area_of_need: str = ColumnField(sa_type=Text)
    offer: str = ColumnField(sa_type=Text)
    level: str | None = ColumnField(None, sa_type=Text)
    audience: str | None = ColumnField(None, sa_type=Text)
    delivery_mode: str | None = ColumnField(None, sa_type=Text)
    evidence: str | None = ColumnField(None, sa_type=Text)
    provider_id: UUID | None = None
    places: int | None = None
    capacity_confirmed_on: date | None = None
    promotion_evidence: str | None = None
    promoted_on: date | None = None
    version: int = 1


class ServiceCluster(AreaRow, table=True):
    """A cluster's purchase of a service for a period. A cluster has at most one open purchase of a service."""

    __tablename__ = "service_cluster"
    __table_args__ = (
        tenant_foreign_key("commissioned_service", "service_id"),
        tenant_foreign_key("cluster", "cluster_id"),
        period_check(),
        Index(
            "one_open_purchase",
            "area_id",
            "service_id",
            "cluster_id",
            unique=True,
            postgresql_where=text("valid_to is null"),
        ),
        Index("purchase_by_service", "area_id", "service_id"),
        Index("service_by_cluster", "area_id", "cluster_id"),
    )
    service_id: UUID
    cluster_id: UUID
    valid_from: date | None = None
    valid_to: date | None = None
