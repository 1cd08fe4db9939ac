"""What comes in about areas, and how a new record says in which area it lies."""

from typing import Annotated

from pydantic import Field

from convenor.domain_types.codes import GssCode, Line, OdsCode
from convenor.domain_types.inputs import InputModel, NotNullable, Patch


class AreaUpdate(Patch):
    """What may change about an area. Its LA code names it and stays."""

    name: Annotated[Line | None, NotNullable] = Field(None, description="The local authority's name.")
    gss_code: GssCode | None = Field(None, description="The local authority's GSS code.")
    icb_name: Line | None = Field(None, description="The integrated care board that serves the area.")
    icb_ods_code: OdsCode | None = Field(None, description="The board's ODS code.")


class InArea(InputModel):
    """A new record of an area."""

    area: Line | None = Field(
        None, description="LA code or id of the area that it lies in; needed only by those who work in several."
    )
