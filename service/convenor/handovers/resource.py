"""Declare handovers, and the requests that they put to other schools.

They are two resources, because a school sees other fields of what it asks than of what it is asked.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.domain_types.codes import Line
from convenor.handovers.models import (
    DecisionFields,
    Handover,
    HandoverDecision,
    HandoverFields,
    HandoverRequest,
    HandoverStatement,
    HandoverStatus,
    RequestStatus,
)
from convenor.pupils.models import PupilFields, WhoFields
from convenor.pupils.resource import STATED, STATED_UPN
from convenor.read_model.resource import Filter, Part, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.security.principal import FieldSensitivity, Role, RowAccess

SCOPE = "referrals:read"
ROW_ACCESS = {Role.SCHOOL_MIS: RowAccess.SCHOOL, Role.COMMISSIONER: RowAccess.AREA}
"""Services see what came of a handover on the referrals themselves."""


class StatedPupil(PupilFields):
    """A pupil, as the asking school states them."""


class MovedPupil(WhoFields):
    """A pupil, as the asking school states them. Whom to contact there is not the earlier school's business."""


class HandoverRead(HandoverFields):
    """What your school asked: that a pupil who came to it is handed over."""

    id: UUID = Field(description="The handover's id.")
    code: str = Field(description="The handover's code, which is easy to read out over the telephone.")
    status: HandoverStatus = Field(
        description="`asked`, and `lapsed` after 30 days, whether nobody knows the pupil, a school refused, or nobody"
        " decided. `completed`: the referrals passed. `withdrawn`: the asking school took it back."
    )
    school_urn: str | None = Field(description="The URN of the school that asks.")
    pupil: StatedPupil = Field(description="The pupil, as the asking school states them.")
    asked_at: datetime = Field(description="When it was asked.")
    lapses_at: datetime = Field(description="When it lapses, unless it is completed before.")
    completed_at: datetime | None = Field(description="When it was completed.")
    referrals: list[str] = Field(
        description="The codes of the referrals that passed: your school's new ones, which continue the earlier ones."
    )
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


class KnownPupil(BaseModel):
    """The pupil who agrees with what is stated, as the school that is asked knows them."""

    id: UUID = Field(description="The pupil's id.")
    pseudonym: str = Field(description="A stable pseudonym for the pupil, which only your organisation sees.")
    referrals: list[str] = Field(description="The codes of the pupil's open referrals, the oldest first.")


class HandoverRequestRead(DecisionFields):
    """A handover that another school asks, put to the school whose pupil agrees with what is stated."""

    id: UUID = Field(description="The request's id.")
    handover: str = Field(description="The code of the handover, which the asking school knows too.")
    status: RequestStatus = Field(
        description="`open`, until it is `refused`, `completed` or `lapsed`. `ended`: the pupil no longer agrees with"
        " what is stated, the asking school withdrew, or another school completed the handover."
    )
    asking_school_urn: str | None = Field(description="The URN of the school that asks.")
    school_urn: str | None = Field(description="The URN of the school that is asked.")
    pupil: MovedPupil = Field(description="The pupil, as the asking school states them.")
    known_pupil: KnownPupil = Field(description="The pupil of the school that is asked.")
    asked_at: datetime = Field(description="When it was asked.")
    lapses_at: datetime = Field(description="Until when it can be decided.")
    decision: HandoverDecision | None = Field(description="The decision; null while there is none.")
    organisation: str | None = Field(description="The organisation that decided.")
    decided_at: datetime | None = Field(description="When it was decided.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


_PUPIL = Part(
    source="handover_statement {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.statement_id",
    sql={"upn": STATED_UPN},
    sensitivity=STATED,
)
_MOVED = replace(_PUPIL, sensitivity={name: STATED[name] for name in WhoFields.model_fields if name in STATED})
_KNOWN = Part(
    source="pupil {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.pupil_id",
    sql={
        "id": "coalesce(pupil_id_for({id_key}, {organisation}, {t}.id), {t}.id)",
        "pseudonym": "encode(substr(sha256({pseudonym_key} || uuid_send({t}.id)), 1, 10), 'hex')",
        "referrals": (
            "coalesce((select array_agg(r.code order by r.submitted_at, r.id) from referral r"
            " where r.area_id = {t}.area_id and r.pupil_id = {t}.id and r.ended_at is null), '{}')"
        ),
    },
    sensitivity={"id": FieldSensitivity.IDENTITY},
)
_URN = "(select s.urn from school s where s.area_id = {t}.area_id and s.id = {t}.{school})"
_STATUS = "case when {t}.status = '{open}' and {t}.lapses_at <= now() then 'lapsed' else {t}.status end"


def _status(is_open: HandoverStatus | RequestStatus) -> str:
    return _STATUS.replace("{open}", is_open)


HANDOVERS = Resource(
    name="handovers",
    singular="handover",
    table="handover",
    read=HandoverRead,
    row_access=ROW_ACCESS,
    scope=SCOPE,
    natural_key="code",
    etag="version",
    subject="{t}.statement_id",
    order="-asked_at",
    sorts={"asked_at": Sort("asked_at", "timestamptz")},
    sql={"status": _status(HandoverStatus.ASKED), "school_urn": _URN.replace("{school}", "school_id")},
    parts={"pupil": _PUPIL},
    sensitivity={"reason": FieldSensitivity.IDENTITY},
    filters={
        "status": Filter(
            f"{_status(HandoverStatus.ASKED)} = any({{v}})",
            "text[]",
            Several[HandoverStatus],
            "Handovers in this state.",
        )
    },
)

HANDOVER_REQUESTS = Resource(
    name="handover_requests",
    singular="handover_request",
    table="handover_request",
    read=HandoverRequestRead,
    row_access=ROW_ACCESS,
    scope=SCOPE,
    natural_key="handover_code",
    shared_key=True,
    etag="version",
    subjects=(
        "select {t}.statement_id union all select r.statement_id from referral r"
        " where r.area_id = {t}.area_id and r.pupil_id = {t}.pupil_id"
    ),
    order="-asked_at",
    sorts={"asked_at": Sort("asked_at", "timestamptz")},
    sql={
        "handover": "{t}.handover_code",
        "status": _status(RequestStatus.OPEN),
        "asking_school_urn": _URN.replace("{school}", "asking_school_id"),
        "school_urn": _URN.replace("{school}", "school_id"),
    },
    parts={"pupil": _MOVED, "known_pupil": _KNOWN},
    sensitivity={"reason": FieldSensitivity.IDENTITY},
    filters={
        "status": Filter(
            f"{_status(RequestStatus.OPEN)} = any({{v}})", "text[]", Several[RequestStatus], "Requests in this state."
        ),
        "handover": Filter("{t}.handover_code = {v}", "text", Line, "Requests of the handover with this code."),
    },
)

STATED_HASHES = seal_columns(HandoverStatement, _PUPIL).hashed
"""The columns of a statement that have a keyed hash, hashed as those of `PupilStatement`: the worker compares them."""
seal_columns(Handover, HANDOVERS)
seal_columns(HandoverRequest, HANDOVER_REQUESTS)
