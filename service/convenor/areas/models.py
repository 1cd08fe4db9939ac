"""Areas: local authorities with their integrated care board. Each is a tenant."""

from uuid import UUID

from pydantic import BaseModel
from pydantic import Field as Says
from sqlmodel import Field, SQLModel

from convenor.database.ids import uuid7
from convenor.domain_types.codes import GssCode, LaCode, Line, OdsCode


class AreaFields(BaseModel):
    """The fields of an area."""

    la_code: LaCode = Says(description="The local authority's DfE code, three digits.")
    name: Line = Says(description="The local authority's name.")
    gss_code: GssCode | None = Says(None, description="The local authority's GSS code.")
    icb_name: Line | None = Says(None, description="The integrated care board that serves the area.")
    icb_ods_code: OdsCode | None = Says(None, description="The board's ODS code.")


class Area(AreaFields, SQLModel, table=True):
    """One tenant. Its `area_id` is its id."""

    area_id: UUID = Field(default_factory=uuid7, primary_key=True)
    la_code: str = Field(unique=True)
    version: int = 1
