"""The body of a decision about pupils of a match."""

from typing import Annotated

from pydantic import Field

from convenor.domain_types.codes import Line
from convenor.domain_types.inputs import InputModel, NotNullable
from convenor.pupil_matches.models import DecisionFields, PupilDecision


class PupilDecisionCreate(DecisionFields, InputModel, stored_as=PupilDecision, resolved={"referrals"}):
    """A decision about pupils of a match."""

    referrals: Annotated[list[Line] | None, NotNullable] = Field(
        None,
        min_length=1,
        max_length=1_000,
        description="The codes of referrals, if the decision is about their pupils alone; else it is about all pupils"
        " of the match. One code of each pupil is enough. `unlink` can be about one pupil.",
    )
