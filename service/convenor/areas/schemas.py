"""The bodies that change areas, and how a new record names the area that it lies in."""

from pydantic import Field

from convenor.areas.models import Area, AreaFields
from convenor.domain_types.codes import GssCode, Line, OdsCode
from convenor.domain_types.inputs import InputModel, Patch, optional_field


class AreaCreate(AreaFields, InputModel, stored_as=Area):
    """A new area."""


class AreaUpdate(Patch, stored_as=Area):
    """Changes to an area. Its LA code identifies it and cannot change."""

    name: Line | None = optional_field(AreaFields, "name")
    gss_code: GssCode | None = optional_field(AreaFields, "gss_code")
    icb_name: Line | None = optional_field(AreaFields, "icb_name")
    icb_ods_code: OdsCode | None = optional_field(AreaFields, "icb_ods_code")


class InArea(InputModel, resolved={"area"}):
    """A new record of an area."""

    area: Line | None = Field(
        None, description="LA code or id of the area that it belongs to. Required only if you work in several areas."
    )
