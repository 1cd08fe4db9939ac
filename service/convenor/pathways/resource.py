"""Declare pathways."""

from uuid import UUID

from pydantic import Field

from convenor.pathways.models import PathwayFields, StateRead, StepRead
from convenor.read_model.resource import OPEN_TO_AREA, Resource, Sort


class PathwayRead(PathwayFields):
    """One version of a pathway, in a form that software can follow."""

    id: UUID = Field(description="The id of this version of the pathway.")
    states: list[StateRead] = Field(description="The states, in the order in which a referral can pass through them.")
    transitions: list[StepRead] = Field(description="The steps between them.")
    next_states: dict[str, list[str]] = Field(description="For each state, the possible next states.")


PATHWAYS = Resource(
    name="pathways",
    singular="pathway",
    table="current_pathway",
    view=True,
    read=PathwayRead,
    row_access=OPEN_TO_AREA,
    of_area=False,
    natural_key="code",
    order="code",
    sorts={"code": Sort("code", "text")},
)
