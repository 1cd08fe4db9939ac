"""Declare matches of pupils, and the decisions about them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.pupil_matches.models import DecisionFields, MatchedField, MatchStatus, PupilDecision
from convenor.pupils.resource import PUPIL
from convenor.read_model.resource import Filter, Part, Relation, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.security.principal import FieldSensitivity, Role, RowAccess

SCOPE = "pupils:identify"
ROW_ACCESS: Mapping[Role, RowAccess] = {Role.COMMISSIONER: RowAccess.AREA}
"""Who reads and decides: never a school, which would learn who else knows a child, and never a provider."""


class MatchedPupil(BaseModel):
    """One pupil of a match."""

    id: UUID = Field(description="The pupil's id.")
    pseudonym: str = Field(description="A stable pseudonym for the pupil, which only your organisation sees.")
    school_urn: str | None = Field(description="The URN of the pupil's school.")
    referrals: list[str] = Field(description="The codes of the pupil's referrals, the oldest first.")
    person: int = Field(description="Pupils of the match with the same number here are linked: they are one child.")


class PupilMatchRead(BaseModel):
    """Pupils of different schools that a number connects: linked as one child, or for a person to decide.

    A match of one pupil is one whose service traced another number than the school states.
    """

    id: UUID = Field(description="The match's id.")
    status: MatchStatus = Field(
        description="`open`: somebody must decide; or must decide again, because a number or date of birth on which a"
        " link was decided was corrected. `linked`: its pupils are one child. `kept_apart`: somebody decided that some"
        " are different children. `ended`: nothing connects them any more."
    )
    pupils: list[MatchedPupil] = Field(description="The pupils.")
    agree: list[MatchedField] = Field(description="The fields in which at least two of the pupils agree.")
    differ: list[MatchedField] = Field(description="The fields in which at least two of the pupils differ.")
    found_at: datetime = Field(description="When the match was found.")
    changed_at: datetime = Field(description="When its pupils, its state or a decision last changed.")


class DecidedPupilRead(BaseModel):
    """One pupil that a decision is about."""

    id: UUID = Field(description="The pupil's id, as it was then.")
    pseudonym: str = Field(description="A stable pseudonym for the pupil, which only your organisation sees.")
    withdrawn_at: datetime | None = Field(description="When the decision was withdrawn for this pupil.")


class PupilDecisionRead(DecisionFields):
    """One decision about pupils of a match."""

    id: UUID = Field(description="The decision's id.")
    pupils: list[DecidedPupilRead] = Field(description="The pupils that it is about.")
    organisation: str = Field(description="The organisation that decided.")
    decided_at: datetime = Field(description="When it was decided.")
    withdrawn_at: datetime | None = Field(description="When the decision was withdrawn; absent while it holds.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


_SHOWN = {name: PUPIL.sql[name] for name in ("id", "pseudonym")}

PUPIL_DECISIONS = Resource(
    name="pupil_decisions",
    singular="pupil_decision",
    table="pupil_decision",
    read=PupilDecisionRead,
    row_access=ROW_ACCESS,
    scope=SCOPE,
    subjects=(
        "select s.id from decided_pupil d join pupil_statement s on s.area_id = d.area_id and s.pupil_id = d.pupil_id"
        " where d.area_id = {t}.area_id and d.decision_id = {t}.id and s.superseded_at is null"
    ),
    order="decided_at",
    sorts={"decided_at": Sort("decided_at", "timestamptz")},
    parts={
        "pupils": Part(
            source="decided_pupil {p} where {p}.area_id = {t}.area_id and {p}.decision_id = {t}.id",
            order="{p}.pupil_id",
            sql=_SHOWN,
        )
    },
    sensitivity={"reason": FieldSensitivity.IDENTITY},
)

PUPIL_MATCHES = Resource(
    name="pupil_matches",
    singular="pupil_match",
    table="pupil_match",
    read=PupilMatchRead,
    row_access=ROW_ACCESS,
    scope=SCOPE,
    etag="version",
    subjects=(
        "select r.statement_id from person_link l join referral r on r.area_id = l.area_id and r.id = l.referral_id"
        " where l.area_id = {t}.area_id and l.match_id = {t}.id"
    ),
    order="-found_at",
    sorts={"found_at": Sort("found_at", "timestamptz")},
    parts={
        "pupils": Part(
            source=(
                "(select l.pupil_id, dense_rank() over (order by l.person_id) as person, min(s.urn) as school_urn,"
                " array_agg(r.code order by r.submitted_at, r.id) as referrals from person_link l"
                " join referral r on r.area_id = l.area_id and r.id = l.referral_id"
                " join school s on s.area_id = l.area_id and s.id = l.school_id"
                " where l.area_id = {t}.area_id and l.match_id = {t}.id group by l.pupil_id, l.person_id) {p}"
            ),
            order="{p}.pupil_id",
            sql=_SHOWN,
        )
    },
    filters={"status": Filter("{t}.status = any({v})", "text[]", Several[MatchStatus], "Matches in this state.")},
    relations={"decisions": Relation("pupil_decisions", {"match_id": "id"})},
)

seal_columns(PupilDecision, PUPIL_DECISIONS)
