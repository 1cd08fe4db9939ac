"""Declare impact returns and their history."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.domain_types.codes import Line, Prose
from convenor.domain_types.dates import FullDate
from convenor.impact_returns.models import (
    CheckFields,
    ImpactReturn,
    ImpactReturnTransition,
    MeasureFields,
    ReturnFields,
    ReturnStatus,
)
from convenor.read_model.resource import Filter, Part, Relation, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.security.principal import FieldSensitivity
from convenor.slas.models import VolumeFields
from convenor.slas.resource import SLA_ROW_ACCESS, serves_clusters


class Actor(StrEnum):
    """The organisation that moves a return to another state."""

    PROVIDER = "provider"
    COMMISSIONER = "commissioner"


STEPS: Mapping[ReturnStatus, Mapping[Actor, tuple[ReturnStatus, ...]]] = {
    ReturnStatus.SUBMITTED: {Actor.COMMISSIONER: (ReturnStatus.VALIDATED, ReturnStatus.RETURNED)},
    ReturnStatus.VALIDATED: {Actor.COMMISSIONER: (ReturnStatus.ACCEPTED, ReturnStatus.RETURNED)},
    ReturnStatus.RETURNED: {Actor.PROVIDER: (ReturnStatus.SUBMITTED,)},
    ReturnStatus.ACCEPTED: {},
}
"""For each state of a return, the states that each actor can move the return to."""


class PeriodRead(BaseModel):
    """The days that a return reports on."""

    first: date = Field(alias="from", description="First day.")
    last: date = Field(alias="to", description="Last day, included.")


class ImpactReturnRead(ReturnFields):
    """One impact return."""

    id: UUID = Field(description="The return's id.")
    status: ReturnStatus = Field(description="Submitted, validated, accepted, or returned to the provider.")
    sla_id: UUID = Field(description="The SLA that it reports against.")
    sla_code: str = Field(description="The SLA's code.")
    terms_number: int = Field(description="The version of the SLA's terms that the return was checked against.")
    service_id: UUID = Field(description="The service that the SLA is about.")
    service_code: str = Field(description="The service's code.")
    provider_id: UUID = Field(description="The provider that reports.")
    period: PeriodRead = Field(description="The days that the return reports on.")
    volumes: VolumeFields = Field(description="The work done in the period.")
    measures: list[MeasureFields] = Field(description="The SLA's KPIs, as reported.")
    checks: list[CheckFields] = Field(
        description="How the return compares with the SLA, checked each time that it is submitted."
    )
    submitted_at: datetime = Field(description="When it was first submitted.")
    next: list[ReturnStatus] = Field(description="The next states of the return, for any role.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


class ReturnTransitionRead(BaseModel):
    """One step of an impact return."""

    id: UUID = Field(description="The step's id.")
    from_status: ReturnStatus | None = Field(description="The state before the step; null for the first step.")
    to: ReturnStatus = Field(description="The state after the step.")
    reason: Prose | None = Field(None, description="Why. Hidden like a name, because it may name a child.")
    organisation: str = Field(description="The organisation that made the step.")
    at: datetime = Field(description="When the step was made.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


_SLA = "(select {what} from sla s where s.area_id = {t}.area_id and s.id = {t}.sla_id)"
_SERVICE_CODE = (
    "(select v.code from sla s join commissioned_service v on v.area_id = s.area_id and v.id = s.service_id"
    " where s.area_id = {t}.area_id and s.id = {t}.sla_id)"
)
_NEXT = " ".join(
    f"when '{state}' then '{json.dumps([to for steps in by.values() for to in steps])}'::json"
    for state, by in STEPS.items()
)

RETURN_TRANSITIONS = Resource(
    name="impact_return_transitions",
    singular="impact_return_transition",
    table="impact_return_transition",
    read=ReturnTransitionRead,
    row_access=SLA_ROW_ACCESS,
    within_clusters=serves_clusters(
        "(select r.sla_id from impact_return r where r.area_id = {t}.area_id and r.id = {t}.impact_return_id)"
    ),
    scope="impact_returns:read",
    order="at",
    sorts={"at": Sort("at", "timestamptz")},
    sql={"to": "{t}.to_status"},
    sensitivity={"reason": FieldSensitivity.IDENTITY},
)

IMPACT_RETURNS = Resource(
    name="impact_returns",
    singular="impact_return",
    table="impact_return",
    read=ImpactReturnRead,
    row_access=SLA_ROW_ACCESS,
    within_clusters=serves_clusters("{t}.sla_id"),
    etag="version",
    order="-submitted_at",
    sorts={"submitted_at": Sort("submitted_at", "timestamptz"), "period_from": Sort("period_from", "date")},
    sql={
        "sla_code": _SLA.replace("{what}", "s.code"),
        "service_id": _SLA.replace("{what}", "s.service_id"),
        "service_code": _SERVICE_CODE,
        "period": "json_build_object('from', {t}.period_from, 'to', {t}.period_to)",
        "volumes.sessions": "{t}.sessions",
        "volumes.pupils": "{t}.pupils",
        "volumes.schools": "{t}.schools",
        "next": f"case {{t}}.status {_NEXT} end",
    },
    parts={
        "measures": Part(
            "impact_return_measure {p} where {p}.area_id = {t}.area_id and {p}.impact_return_id = {t}.id",
            order="{p}.kpi",
        )
    },
    sensitivity={"narrative": FieldSensitivity.IDENTITY},
    filters={
        "sla": Filter(
            "{t}.sla_id = (select s.id from sla s where s.area_id = {area} and {v} in (s.code, s.id::text))",
            "text",
            Line,
            "Returns against the SLA with this id or code.",
        ),
        "provider": Filter("{t}.provider_id = {v}", "uuid", UUID, "Returns of this provider."),
        "service": Filter(
            "{t}.sla_id in (select s.id from sla s join commissioned_service v on v.area_id = s.area_id"
            " and v.id = s.service_id where s.area_id = {area} and {v} in (v.code, v.id::text))",
            "text",
            Line,
            "Returns about the service with this id or code.",
        ),
        "status": Filter("{t}.status = any({v})", "text[]", Several[ReturnStatus], "Returns in this state."),
        "period_from_after": Filter(
            "{t}.period_from > {v}", "date", FullDate, "Returns whose period begins after this day."
        ),
        "period_from_before": Filter(
            "{t}.period_from < {v}", "date", FullDate, "Returns whose period begins before this day."
        ),
    },
    relations={
        "sla": Relation("slas", {"id": "sla_id"}, many=False),
        "transitions": Relation("impact_return_transitions", {"impact_return_id": "id"}),
    },
)

seal_columns(ImpactReturn, IMPACT_RETURNS)
seal_columns(ImpactReturnTransition, RETURN_TRANSITIONS)
