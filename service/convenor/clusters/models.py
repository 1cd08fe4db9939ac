"""Clusters with their dated memberships and roles, and the mergers and splits that connect clusters."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, enum_check, period_check, tenant_foreign_key
from convenor.domain_types.codes import ClusterCode, Line, Prose, StrictStrEnum
from convenor.domain_types.dates import FullDate


class Development(StrictStrEnum):
    """The stage of development of a cluster."""

    PILOT = "pilot"
    EXPANSION = "expansion"
    ESTABLISHMENT = "establishment"
    MATURITY = "maturity"


class ClusterRoleKind(StrictStrEnum):
    """The central roles of a cluster."""

    LEAD_HEADTEACHER = "lead_headteacher"
    LEAD_SENCO = "lead_senco"
    BOARD_CHAIR = "board_chair"
    BOARD_MEMBER = "board_member"
    FINANCE_LEAD = "finance_lead"


class SuccessionKind(StrictStrEnum):
    """How one cluster resulted from another."""

    MERGE = "merge"
    SPLIT = "split"


class ClusterFields(BaseModel):
    """The fields of a cluster."""

    code: ClusterCode = Field(description='The cluster\'s code: any text, for example "4.5".')
    name: Line = Field(description="The cluster's name.")
    development: Development | None = Field(None, description="The stage of its development; null where not stated.")
    note: Prose | None = Field(None, description="Remarks from the sources.")


class Cluster(ClusterFields, AreaRow, table=True):
    """One neighbourhood peer cluster. It ends, by a merger or a split, and is never deleted."""

    __table_args__ = (
        area_foreign_key(),
        UniqueConstraint("area_id", "code"),
        enum_check("development", Development),
        period_check(),
    )
    development: str | None = ColumnField(None, sa_type=Text)
    valid_from: date | None = None
    valid_to: date | None = None
    version: int = 1


class ClusterSuccession(SQLModel, table=True):
    """A cluster that resulted from another."""

    __tablename__ = "cluster_succession"
    __table_args__ = (
        tenant_foreign_key("cluster", "predecessor_id"),
        tenant_foreign_key("cluster", "successor_id"),
        enum_check("kind", SuccessionKind),
    )
    area_id: UUID = ColumnField(primary_key=True)
    predecessor_id: UUID = ColumnField(primary_key=True)
    successor_id: UUID = ColumnField(primary_key=True)
    kind: str = ColumnField(sa_type=Text)
    happened_on: date


class ClusterMembership(AreaRow, table=True):
    """A school in a cluster from `valid_from` up to, not including, `valid_to`. At most one is open for a school."""

    __tablename__ = "cluster_membership"
    __table_args__ = (
        tenant_foreign_key("cluster", "cluster_id"),
        tenant_foreign_key("school", "school_id"),
        period_check(),
        Index("one_open_membership", "area_id", "school_id", unique=True, postgresql_where=text("valid_to is null")),
        Index("membership_by_cluster", "area_id", "cluster_id", "school_id"),
        Index("membership_by_school", "area_id", "school_id"),
    )
    cluster_id: UUID
    school_id: UUID
    valid_from: date | None = None
    valid_to: date | None = None
    version: int = 1


class ClusterRoleFields(BaseModel):
    """The fields of a role in a cluster."""

    role: ClusterRoleKind = Field(description="The role.")
    holder: Line = Field(description="The holder: a name or a post.")
    valid_from: FullDate = Field(description="The holder's first day.")
    valid_to: FullDate | None = Field(None, description="The first day on which the holder no longer has the role.")


class ClusterRole(ClusterRoleFields, AreaRow, table=True):
    """A person who holds a role in a cluster for a period."""

    __tablename__ = "cluster_role"
    __table_args__ = (
        tenant_foreign_key("cluster", "cluster_id"),
        tenant_foreign_key("school", "school_id"),
        enum_check("role", ClusterRoleKind),
        period_check(),
        Index("role_by_cluster", "area_id", "cluster_id"),
    )
    role: str = ColumnField(sa_type=Text)
    cluster_id: UUID
    school_id: UUID | None = None
    version: int = 1
