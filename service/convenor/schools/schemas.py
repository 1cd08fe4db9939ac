"""The bodies that create and change schools."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.domain_types.codes import Laestab, Line, Phase, Ukprn, Urn
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import NotNullable, Patch, optional_field
from convenor.schools.models import School, SchoolFields, SchoolStatus


class SchoolCreate(SchoolFields, InArea, stored_as=School):
    """A new school."""


class SchoolUpdate(Patch, stored_as=School):
    """Changes to a school. A URN is stated once; a school that receives another URN has a successor."""

    urn: Annotated[Urn | None, NotNullable] = Field(None, description="Its URN, if none has been stated so far.")
    name: Line | None = optional_field(SchoolFields, "name")
    phase: Phase | None = optional_field(SchoolFields, "phase")
    status: SchoolStatus | None = optional_field(SchoolFields, "status")
    ukprn: Ukprn | None = optional_field(SchoolFields, "ukprn")
    laestab: Laestab | None = optional_field(SchoolFields, "laestab")
    opened_on: FullDate | None = optional_field(SchoolFields, "opened_on")
    closed_on: FullDate | None = optional_field(SchoolFields, "closed_on")
