"""The bodies that submit, correct and move referrals."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from convenor.domain_types.codes import (
    Code,
    LaCode,
    Line,
    NeedType,
    NhsNumber,
    Prose,
    SenProvision,
    ShortLine,
    Upn,
    Urn,
)
from convenor.domain_types.dates import PastDate, today
from convenor.domain_types.inputs import InputModel, InputPart, NotNullable, Patch, optional_field
from convenor.pupils.models import ParentFields, PupilFields, PupilStatement, TracedNumber
from convenor.referrals.models import (
    ConsentFields,
    GroupFields,
    Priority,
    Referral,
    ReferralFields,
    ReferralTransition,
    TransitionFields,
)


def _young_person(day: date) -> date:
    if today().year - day.year > 26:
        raise PydanticCustomError("date_of_birth", "Support for special educational needs ends at 25: check the year.")
    return day


BirthDate = Annotated[PastDate, AfterValidator(_young_person)]


class PupilCreate(PupilFields, InputModel, stored_as=PupilStatement):
    """A pupil, as the referrer describes them."""

    date_of_birth: BirthDate = Field(description="Date of birth.")


class PupilSubjectCreate(InputPart, columns={"kind": "subject_kind"}, resolved={"pupil"}):
    """A referral about one pupil."""

    kind: Literal["pupil"] = Field(description="About one pupil.")
    pupil: PupilCreate = Field(description="The pupil.")


class GroupCreate(GroupFields, InputPart):
    """A group of pupils, none of them named."""


class GroupSubjectCreate(InputPart, columns={"kind": "subject_kind"}):
    """A referral about a group of pupils."""

    kind: Literal["group"] = Field(description="About a group.")
    group: GroupCreate = Field(description="The group.")


class SchoolSubjectCreate(InputPart, columns={"kind": "subject_kind"}):
    """A referral about the whole school."""

    kind: Literal["school"] = Field(description="About the school.")


class ConsentCreate(ConsentFields, InputPart):
    """The basis of the referral towards the family."""

    on: PastDate = Field(description="The day on which consent was given or the family was informed.")


class ReferralCreate(
    ReferralFields,
    InputModel,
    stored_as=Referral,
    columns={"subject": ""},
    resolved={"service_id", "school_urn", "same_as", "not_the_same_as"},
):
    """A new referral."""

    pathway: Code = Field("service", description="The pathway that the referral follows.")
    service_id: Line = Field(description="The id or code of the commissioned service.")
    school_urn: Urn = Field(description="The URN of the school that refers.")
    subject: Annotated[PupilSubjectCreate | GroupSubjectCreate | SchoolSubjectCreate, Field(discriminator="kind")] = (
        Field(description="The subject of the referral: a pupil, a group or the school.")
    )
    consent: ConsentCreate | None = Field(None, description="The basis of the referral towards the family.")
    same_as: Code | None = Field(
        None,
        description="The code of your school's other referral of the same pupil, where no number tells.",
        examples=["R0H4Y2M8T6Q1Z"],
    )
    not_the_same_as: list[Line] = Field(
        default_factory=list,
        max_length=50,
        description="The codes of your school's other referrals, one for each other pupil of the same name and date of"
        " birth.",
    )


class PupilUpdate(ParentFields, Patch, stored_as=PupilStatement):
    """Corrections to a pupil's details. All but `sen_provision` can be corrected in every state of the referral."""

    upn: Upn | None = optional_field(PupilCreate, "upn")
    nhs_number: NhsNumber | None = optional_field(PupilCreate, "nhs_number")
    given_name: Line | None = optional_field(PupilCreate, "given_name")
    family_name: Line | None = optional_field(PupilCreate, "family_name")
    date_of_birth: BirthDate | None = optional_field(PupilCreate, "date_of_birth")
    sen_provision: SenProvision | None = optional_field(PupilCreate, "sen_provision")
    home_la_code: LaCode | None = optional_field(PupilCreate, "home_la_code")


class ReferralUpdate(
    Patch,
    stored_as=Referral,
    resolved={"pupil", "same_as", "not_the_same_as", "for_all_referrals_of_the_pupil"},
):
    """A referrer's corrections: of the referral until the service accepts it, of the pupil's details at any time."""

    need: NeedType | None = optional_field(ReferralFields, "need")
    priority: Priority | None = optional_field(ReferralFields, "priority")
    reason: Prose | None = optional_field(ReferralFields, "reason")
    consent: ConsentCreate | None = optional_field(ReferralCreate, "consent")
    pupil: Annotated[PupilUpdate | None, NotNullable] = Field(
        None, description="Corrections to the details of the pupil."
    )
    same_as: Code | None = Field(
        None,
        description="As in a new referral, in place of what was sent before. Null takes it back.",
    )
    not_the_same_as: list[Line] | None = Field(
        None,
        description="As in a new referral, in place of what was sent before. Null takes it back.",
        max_length=50,
    )
    for_all_referrals_of_the_pupil: Annotated[bool | None, NotNullable] = Field(
        None,
        description="Whether `pupil` corrects all of your school's referrals of this pupil at once, ended ones too. The"
        " version of each counts up. Use it for a number or date of birth that several referrals state.",
    )


class NhsNumberUpdate(InputModel, stored_as=TracedNumber):
    """The NHS number that a service traced for the pupil of a referral."""

    nhs_number: NhsNumber | None = Field(description="The NHS number; null withdraws the one that was stated before.")


class TransitionCreate(TransitionFields, InputModel, stored_as=ReferralTransition, resolved={"to"}):
    """One step along the pathway."""

    to: ShortLine = Field(
        description="The state to move to: one of the referral's `next`, if the pathway lets you make the step."
    )
