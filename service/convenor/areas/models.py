"""Areas: local authorities with their integrated care board. Each is a tenant."""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.ids import compose_uuid7
from convenor.domain_types.codes import GssCode, LaCode, Line, OdsCode

_PROGRAMME_BEGAN: Final = datetime(2018, 9, 1, tzinfo=UTC)


def area_id_of(la_code: str) -> UUID:
    """Return the id of the area of an LA code: a UUIDv7 whose random bits are a digest of the code.

    Row-level security hides every area that the context does not name, from the owner too. So whoever creates an area
    or imports into one must know its id beforehand.
    """
    random = int.from_bytes(hashlib.sha256(f"area {la_code}".encode()).digest()[:10], "big")
    milliseconds = int(_PROGRAMME_BEGAN.timestamp()) * 1000
    return compose_uuid7(milliseconds, random >> 62 & 0xFFF, random & (1 << 62) - 1)


class AreaFields(BaseModel):
    """The fields of an area."""

    la_code: LaCode = Field(description="The local authority's DfE code, three digits.")
    name: Line = Field(description="The local authority's name.")
    gss_code: GssCode | None = Field(None, description="The local authority's GSS code.")
    icb_name: Line | None = Field(None, description="The integrated care board that serves the area.")
    icb_ods_code: OdsCode | None = Field(None, description="The board's ODS code.")


class Area(AreaFields, SQLModel, table=True):
    """One tenant. Its `area_id`, made by `area_id_of`, is its id."""

    area_id: UUID = ColumnField(primary_key=True)
    la_code: str = ColumnField(unique=True)
    version: int = 1
