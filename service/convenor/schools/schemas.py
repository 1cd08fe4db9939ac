"""What comes in about schools."""

from typing import Annotated

from pydantic import Field

from convenor.areas.schemas import InArea
from convenor.domain_types.codes import Laestab, Line, Phase, Ukprn, Urn
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import NotNullable, Patch
from convenor.schools.models import SchoolFields, SchoolStatus


class SchoolCreate(SchoolFields, InArea):
    """A new school."""


class SchoolUpdate(Patch):
    """What may change about a school. A URN is stated once; a school that gets another has a successor."""

    urn: Annotated[Urn | None, NotNullable] = Field(None, description="Its URN, where none was stated so far.")
    name: Annotated[Line | None, NotNullable] = Field(None, description="The school's name.")
    phase: Phase | None = Field(None, description="Phase of education.")
    status: Annotated[SchoolStatus | None, NotNullable] = Field(None, description="Whether it takes pupils.")
    ukprn: Ukprn | None = Field(None, description="UK provider reference number.")
    laestab: Laestab | None = Field(None, description="LA code and establishment number.")
    opened_on: FullDate | None = Field(None, description="First day.")
    closed_on: FullDate | None = Field(None, description="The day from which it is closed.")
