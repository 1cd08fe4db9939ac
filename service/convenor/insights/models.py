"""Counts that are maintained on writing, so that no dashboard counts a million referrals."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field as ColumnField

from convenor.database.constraints import AreaRow, area_foreign_key, tenant_foreign_key


class ReferralMonth(AreaRow, table=True):
    """A part of the referrals of a month and a cluster; the parts add up. Only triggers on `referral` write it."""

    __tablename__ = "referral_month"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("cluster", "cluster_id"),
        Index("count_by_month", "area_id", "month", "cluster_id"),
    )
    month: date
    cluster_id: UUID | None = None
    referrals: int = ColumnField(sa_type=BigInteger)
