"""Declare audit events."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.audit.actions import Action
from convenor.domain_types.codes import Line
from convenor.domain_types.dates import Timestamp
from convenor.pupils.resource import PUPIL
from convenor.read_model.resource import Filter, Lookup, Resource, Several, Sort
from convenor.security.principal import Role, RowAccess

HttpStatus = Annotated[int, Field(ge=100, le=599)]


class AuditEventRead(BaseModel):
    """One request: who did what to which records, under which agreement and purpose, with what outcome."""

    id: UUID = Field(description="The event's id.")
    at: datetime = Field(description="When the request was answered.")
    action: str = Field(
        description="The action, as `resource:action`; `request:refuse` for a request refused before it was known."
    )
    status: int = Field(description="The HTTP status of the answer.")
    problem: str | None = Field(description="The problem's code, where the answer was a problem.")
    client_id: str | None = Field(
        description="The client that called, or that a command registered or ended; absent where none is known."
    )
    organisation: str | None = Field(
        description="The organisation that is responsible for the client; for a command, the user who gave it."
    )
    role: Role | None = Field(description="The client's role.")
    agreement: str | None = Field(description="The data sharing agreement of the client.")
    purpose: str | None = Field(description="The purpose in `X-Purpose`, or the first of the agreement's.")
    request_id: str = Field(description="The request's id, as in the answer.")
    times: int = Field(description="How many refused requests from one network address this event counts.")
    records: list[UUID] = Field(description="The records that were shown or changed.")
    subjects: list[UUID] = Field(
        description="The statements about pupils that those records hold; `?pupil=` finds events by a pupil's id."
    )
    changes: dict[str, str] | None = Field(
        description="The fields that the request sent, each with a digest of its value; never the value itself."
    )


class AuditedPupil(BaseModel):
    """A pupil whose events an answer holds."""

    id: UUID = Field(description="The pupil's id, which only your organisation knows. `?pupil=` takes it.")
    school_urn: str | None = Field(description="The URN of the pupil's school.")


_MENTIONS = (
    "{t}.id in (select e.id from audit_mention m join audit_event e"
    " on e.area_id = m.area_id and e.at >= m.since and e.at < m.before"
    " where m.area_id = {area} and m.about_id = {v} and {v} = any(e.records))"
)

_CONCERNS = (
    "{t}.id in (select e.id from audited_as({area}, array(select p.pupil_id from {found} p where p.area_id = {area})) a"
    " join audit_mention m on m.area_id = {area} and m.about_id = a.id join audit_event e"
    " on e.area_id = m.area_id and e.at >= m.since and e.at < m.before where a.id = any(e.subjects))"
)
"""Events name statements. Which of them are the pupil's is asked now, because a correction can join or part pupils."""

_COVERED = Lookup(
    "pupils",
    AuditedPupil,
    "The pupils whose events these are, as the programme links them now. They are one child. It is"
    " empty where no organisation of the area knows a pupil by this id.",
    "audited_pupils({area}, {v}, {id_key})",
    order="{p}.pupil_id",
    sql={"id": PUPIL.sql["id"]},
)

AUDIT_EVENTS = Resource(
    name="audit_events",
    singular="audit_event",
    table="audit_event",
    read=AuditEventRead,
    row_access={Role.AUDITOR: RowAccess.AREA, Role.OPERATOR: RowAccess.AREA},
    scope="audit:read",
    order="-at",
    sorts={"at": Sort("at", "timestamptz")},
    filters={
        "pupil": Filter(
            _CONCERNS,
            "uuid",
            UUID,
            "Events about the pupil whom any organisation knows by this id, and about pupils linked with it. The answer"
            " lists them as `pupils`.",
            lookup=_COVERED,
        ),
        "record": Filter(_MENTIONS, "uuid", UUID, "Events about this record."),
        "client": Filter("{t}.client_id = {v}", "text", Line, "Events of this client."),
        "action": Filter("{t}.action = any({v})", "text[]", Several[Action], "Events of this action."),
        "status": Filter("{t}.status = {v}", "int", HttpStatus, "Events with this HTTP status."),
        "at_after": Filter("{t}.at > {v}", "timestamptz", Timestamp, "Events after this time (RFC 3339)."),
        "at_before": Filter("{t}.at < {v}", "timestamptz", Timestamp, "Events before this time (RFC 3339)."),
    },
)
