"""Health geography: primary care networks and their practices."""

from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import UniqueConstraint
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import AreaRow, area_foreign_key, tenant_foreign_key
from convenor.domain_types.codes import Line


class NetworkFields(BaseModel):
    """The fields of a network."""

    number: int = Field(description="The network's number in its source.")
    name: Line = Field(description="The network's name.")
    integrated_care_area: Line = Field(description="The integrated care area that it belongs to.")
    is_pcn: bool = Field(description="False for a row that groups practices outside any network.")
    population: int | None = Field(None, description="The number of registered patients of the whole network.")


class Network(NetworkFields, AreaRow, table=True):
    """One primary care network, or a group of practices outside any network."""

    __table_args__ = (area_foreign_key(), UniqueConstraint("area_id", "number"))
    version: int = 1


class Practice(SQLModel, table=True):
    """One general practice of a network."""

    __table_args__ = (tenant_foreign_key("network", "network_id"),)
    area_id: UUID = ColumnField(primary_key=True)
    network_id: UUID = ColumnField(primary_key=True)
    name: str = ColumnField(primary_key=True)
