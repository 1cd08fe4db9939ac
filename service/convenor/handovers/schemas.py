"""The bodies that ask for a handover, take it back, and decide about it."""

from typing import Annotated, Literal

from pydantic import Field

from convenor.domain_types.codes import Code, Line, Urn
from convenor.domain_types.inputs import InputModel, NotNullable
from convenor.handovers.models import DecisionFields, Handover, HandoverDecision, HandoverFields, HandoverRequest
from convenor.referrals.schemas import PupilCreate


class HandoverCreate(
    HandoverFields,
    InputModel,
    stored_as=Handover,
    resolved={"school_urn", "pupil", "same_as", "not_the_same_as"},
):
    """A pupil who came to your school, and whose open referrals are to pass to it."""

    school_urn: Urn = Field(description="The URN of your school, which the pupil came to.")
    pupil: PupilCreate = Field(
        description="The pupil, as your school states them. A UPN or an NHS number is needed: only numbers are matched."
    )
    same_as: Code | None = Field(
        None,
        description="The code of your school's own referral of the same pupil, where no number tells.",
        examples=["R0H4Y2M8T6Q1Z"],
    )
    not_the_same_as: list[Line] = Field(
        default_factory=list,
        max_length=50,
        description="The codes of your school's own referrals, one for each other pupil of the same name and date of"
        " birth.",
    )


class HandoverTransitionCreate(InputModel, resolved={"to"}):
    """The withdrawal of a handover."""

    to: Literal["withdrawn"] = Field(description="Take back what was asked. No other school hears of it.")


class HandoverDecisionCreate(DecisionFields, InputModel, stored_as=HandoverRequest, resolved={"referrals"}):
    """A decision about a request."""

    decision: HandoverDecision = Field(
        description="`complete`: the referrals pass to the asking school. `refuse`: they stay. The asking school"
        " never learns of a refusal."
    )
    referrals: Annotated[list[Line] | None, NotNullable] = Field(
        None,
        min_length=1,
        max_length=50,
        description="The codes of the open referrals that pass; all open referrals of the pupil where left out. Only"
        " for `complete`.",
    )
