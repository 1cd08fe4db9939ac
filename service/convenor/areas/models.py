"""Areas: local authorities with their integrated care board. Each is a tenant."""

from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.ids import uuid7
from convenor.domain_types.codes import GssCode, LaCode, Line, OdsCode


class AreaFields(BaseModel):
    """The fields of an area."""

    la_code: LaCode = Field(description="The local authority's DfE code, three digits.")
    name: Line = Field(description="The local authority's name.")
    gss_code: GssCode | None = Field(None, description="The local authority's GSS code.")
    icb_name: Line | None = Field(None, description="The integrated care board that serves the area.")
    icb_ods_code: OdsCode | None = Field(None, description="The board's ODS code.")


class Area(AreaFields, SQLModel, table=True):
    """One tenant. Its `area_id` is its id."""

    area_id: UUID = ColumnField(default_factory=uuid7, primary_key=True)
    la_code: str = ColumnField(unique=True)
    version: int = 1
