"""What comes in about referrals."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from convenor.domain_types.codes import Line, NeedType, Prose, SenProvision, Urn
from convenor.domain_types.dates import PastDate, today
from convenor.domain_types.inputs import InputModel, NotNullable, Patch
from convenor.pupils.models import ParentFields, PupilFields
from convenor.referrals.models import ConsentFields, GroupFields, Priority, ReferralFields, TransitionFields


def _young_person(day: date) -> date:
    if today().year - day.year > 26:
        raise PydanticCustomError("date_of_birth", "Support for special educational needs ends at 25: check the year.")
    return day


BirthDate = Annotated[PastDate, AfterValidator(_young_person)]


class PupilCreate(PupilFields, InputModel):
    """A pupil as the referrer states them."""

    date_of_birth: BirthDate = Field(description="Date of birth.")


class PupilSubjectCreate(InputModel):
    """A referral about one pupil."""

    kind: Literal["pupil"] = Field(description="About one pupil.")
    pupil: PupilCreate = Field(description="Who.")


class GroupCreate(GroupFields, InputModel):
    """A group of pupils, none of them named."""


class GroupSubjectCreate(InputModel):
    """A referral about a group of pupils."""

    kind: Literal["group"] = Field(description="About a group.")
    group: GroupCreate = Field(description="Which group.")


class SchoolSubjectCreate(InputModel):
    """A referral about the whole school."""

    kind: Literal["school"] = Field(description="About the school.")


class ConsentCreate(ConsentFields, InputModel):
    """On what the referral rests towards the family."""

    on: PastDate = Field(description="When.")


class ReferralCreate(ReferralFields, InputModel):
    """A new referral."""

    pathway: Line = Field("service", max_length=40, description="The pathway to send it along.")
    service_id: Line = Field(description="The id or code of the commissioned service.")
    school_urn: Urn = Field(description="The URN of the school that refers.")
    subject: Annotated[PupilSubjectCreate | GroupSubjectCreate | SchoolSubjectCreate, Field(discriminator="kind")] = (
        Field(description="Whom it is about.")
    )
    consent: ConsentCreate | None = Field(None, description="On what it rests towards the family.")


class PupilUpdate(ParentFields, Patch):
    """Corrections to what the referrer stated of a pupil. Numbers are not corrected: they say who it is."""

    given_name: Annotated[Line | None, NotNullable] = Field(None, description="Given name.")
    family_name: Annotated[Line | None, NotNullable] = Field(None, description="Family name.")
    date_of_birth: Annotated[BirthDate | None, NotNullable] = Field(None, description="Date of birth.")
    sen_provision: Annotated[SenProvision | None, NotNullable] = Field(None, description="E, K or N.")


class ReferralUpdate(Patch):
    """What a referrer may mend while the service has not accepted."""

    need: Annotated[NeedType | None, NotNullable] = Field(None, description="The need.")
    priority: Annotated[Priority | None, NotNullable] = Field(None, description="How soon.")
    reason: Annotated[Prose | None, NotNullable] = Field(None, description="Why.")
    consent: ConsentCreate | None = Field(None, description="On what it rests towards the family.")
    pupil: Annotated[PupilUpdate | None, NotNullable] = Field(
        None, description="Corrections to what was stated of the pupil."
    )


class TransitionCreate(TransitionFields, InputModel):
    """One step along the pathway."""

    to: Line = Field(
        description="The state to go to: one of the referral's `next`, whose step the pathway gives to you.",
        max_length=60,
    )
