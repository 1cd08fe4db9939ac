"""Declare primary care networks with their practices."""

from uuid import UUID

from pydantic import BaseModel, Field

from convenor.domain_types.codes import Line
from convenor.networks.models import NetworkFields
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Part, Resource, Sort


class PracticeRead(BaseModel):
    """One general practice."""

    name: str = Field(description="The practice's name, as its source writes it.")


class NetworkRead(NetworkFields):
    """One primary care network, or the group of practices that takes its place."""

    id: UUID = Field(description="The network's id.")
    practices: list[PracticeRead] = Field(description="The network's practices, by name.")


NETWORKS = Resource(
    name="networks",
    singular="network",
    table="network",
    read=NetworkRead,
    row_access=OPEN_TO_AREA,
    scope="areas:read",
    etag="version",
    order="number",
    sorts={"number": Sort("number", "int"), "name": Sort("name", "text")},
    parts={
        "practices": Part("practice {p} where {p}.area_id = {t}.area_id and {p}.network_id = {t}.id", order="{p}.name")
    },
    filters={
        "integrated_care_area": Filter(
            "{t}.integrated_care_area = {v}", "text", Line, "Networks of the integrated care area with this name."
        ),
        "is_pcn": Filter(
            "{t}.is_pcn = {v}", "boolean", bool, "Whether to list primary care networks, or the groups in their place."
        ),
    },
)
