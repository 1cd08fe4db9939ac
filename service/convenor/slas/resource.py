"""Declare SLAs and their history, with KPIs, targets, versions and the returns that are due."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.commissioned_services.resource import ProviderOf
from convenor.domain_types.codes import Line
from convenor.domain_types.dates import FullDate
from convenor.read_model.resource import Filter, Part, Relation, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.security.principal import FieldSensitivity, Role, RowAccess
from convenor.slas.models import (
    MONTHS_OF_A_PERIOD,
    Cadence,
    KpiFields,
    SlaFields,
    SlaStatus,
    SlaTransition,
    TermsFields,
    VolumeFields,
)

SLA_ROW_ACCESS: Mapping[Role, RowAccess] = {
    Role.HEALTH_SYSTEM: RowAccess.PROVIDER,
    Role.PROVIDER_PORTAL: RowAccess.PROVIDER,
    Role.CLUSTER_LEAD: RowAccess.CLUSTER,
    Role.COMMISSIONER: RowAccess.AREA,
    Role.FINANCE: RowAccess.AREA,
}
"""Each role's row access to SLAs and to the returns against them."""

STEPS: Mapping[SlaStatus, tuple[SlaStatus, ...]] = {
    SlaStatus.DRAFT: (SlaStatus.AGREED,),
    SlaStatus.AGREED: (SlaStatus.ACTIVE,),
    SlaStatus.ACTIVE: (SlaStatus.ENDED,),
    SlaStatus.ENDED: (),
}
"""For each state of an SLA, the states that the commissioner can move the SLA to."""


class ServiceOf(BaseModel):
    """The service that an SLA is about."""

    id: UUID = Field(description="The service's id.")
    code: str = Field(description="The service's code.")
    name: str = Field(description="The service's name.")


class TermsRead(TermsFields, VolumeFields):
    """One version of an SLA's terms. Volumes and price are for a year."""

    number: int = Field(description="The number of the version, from 1.")
    valid_from: date = Field(description="The first day on which this version is in force.")
    valid_to: date | None = Field(description="The day from which the next version is in force.")


class VersionRead(TermsRead):
    """One version of an SLA's terms, with its KPIs."""

    kpis: list[KpiFields] = Field(description="The measures that the provider reports under this version.")


class ReturnDue(BaseModel):
    """A reporting period of the SLA that has ended and is not fully reported."""

    first: date = Field(alias="from", description="First day of the period, within the term.")
    last: date = Field(alias="to", description="Last day of the period, within the term.")
    due_on: date = Field(description="The day by which its return is due, 28 days after the period.")


class SlaRead(SlaFields):
    """One SLA."""

    id: UUID = Field(description="The SLA's id.")
    status: SlaStatus = Field(description="Draft, agreed, active or ended.")
    service: ServiceOf = Field(description="The service.")
    provider: ProviderOf = Field(description="The provider.")
    clusters: list[str] = Field(description="The codes of the clusters that the SLA serves.")
    terms: TermsRead = Field(description="The terms in force today; before the term begins, the first ones.")
    kpis: list[KpiFields] = Field(description="The measures that the provider reports today, with their targets.")
    returns_due: list[ReturnDue] = Field(description="Ended periods that are not fully reported, oldest first.")
    versions: list[VersionRead] = Field(description="Every version of the terms, oldest first.")
    next: list[SlaStatus] = Field(description="The next states of the SLA.")


class SlaTransitionRead(BaseModel):
    """One step of an SLA from one state to another."""

    id: UUID = Field(description="The step's id.")
    from_status: SlaStatus | None = Field(description="The state before the step; null for the first step.")
    to: SlaStatus = Field(description="The state after the step.")
    reason: Line | None = Field(None, description="Why. Hidden like a name, because it may name a child.")
    organisation: str = Field(description="The organisation that made the step.")
    at: datetime = Field(description="When the step was made.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


_FIRST_MONTHS = {Cadence.MONTHLY: 9, Cadence.QUARTERLY: 4, Cadence.TERMLY: 9, Cadence.YEARLY: 9}
"""A month in which a period of each cadence begins."""
_CADENCES = ", ".join(
    f"('{cadence}', {months}, {_FIRST_MONTHS[cadence]})" for cadence, months in MONTHS_OF_A_PERIOD.items()
)

RETURNS_DUE = """
select d.first, d.last, d.last + 28 as due_on
from (values {cadences}) c(cadence, months, first_month)
cross join lateral generate_series(
    date_trunc('month', {t}.starts_on::timestamp)
        - make_interval(months => (extract(month from {t}.starts_on)::int - c.first_month + 12) % c.months),
    least({t}.ends_on, {today} - 1)::timestamp,
    make_interval(months => c.months)
) as began
cross join lateral (
    select greatest(began::date, {t}.starts_on) as first,
        least((began + make_interval(months => c.months))::date - 1, {t}.ends_on) as last
) d
where c.cadence = {t}.cadence and {t}.status in ('active', 'ended') and d.last < {today}
    and d.last - d.first + 1 > (
        select coalesce(sum(least(r.period_to, d.last) - greatest(r.period_from, d.first) + 1), 0)
        from impact_return r
        where r.area_id = {t}.area_id and r.sla_id = {t}.id and r.status <> 'returned'
            and r.period_from <= d.last and r.period_to >= d.first
    )
""".replace("{cadences}", _CADENCES)
"""The returns due of the SLA `{t}`: `first`, `last`, `due_on`.

A cadence's periods are full months: quarters of the financial year; terms from 1 September, 1 January and 1 May;
academic years. The SLA's term can shorten the first and the last period. A period is due while any of its days is
missing from the returns that were not sent back.
"""

CURRENT_TERMS = (
    "(select coalesce(max(n.number) filter (where n.valid_from <= {today}), min(n.number))"
    " from sla_terms n where n.area_id = {t}.area_id and n.sla_id = {t}.id)"
)
_TERMS = "sla_terms {p} where {p}.area_id = {t}.area_id and {p}.sla_id = {t}.id"
_KPIS = "sla_kpi {p} where {p}.area_id = {t}.area_id and not {p}.withdrawn"
_CLUSTERS = (
    "from sla_cluster sc join cluster c on c.area_id = sc.area_id and c.id = sc.cluster_id"
    " where sc.area_id = {t}.area_id and sc.sla_id = {t}.id and not sc.withdrawn"
)
_NEXT = " ".join(f"when '{state}' then '{json.dumps(steps)}'::json" for state, steps in STEPS.items())


def serves_clusters(sla_id: str) -> str:
    """Write the condition that an SLA, by the SQL of its id, serves one of the clusters in `{keys}`."""
    return (
        "exists (select from sla_cluster c where c.area_id = {t}.area_id"
        f" and c.sla_id = {sla_id} and c.cluster_id = any({{keys}}) and not c.withdrawn)"
    )


SLA_TRANSITIONS = Resource(
    name="sla_transitions",
    singular="sla_transition",
    table="sla_transition",
    read=SlaTransitionRead,
    row_access=SLA_ROW_ACCESS,
    within_clusters=serves_clusters("{t}.sla_id"),
    scope="slas:read",
    order="at",
    sorts={"at": Sort("at", "timestamptz")},
    sql={"to": "{t}.to_status"},
    sensitivity={"reason": FieldSensitivity.IDENTITY},
)

SLAS = Resource(
    name="slas",
    singular="sla",
    table="sla",
    read=SlaRead,
    row_access=SLA_ROW_ACCESS,
    within_clusters=serves_clusters("{t}.id"),
    natural_key="code",
    etag="version",
    order="code",
    sorts={"code": Sort("code", "text"), "starts_on": Sort("starts_on", "date"), "ends_on": Sort("ends_on", "date")},
    sql={
        "clusters": f"(select coalesce(json_agg(c.code order by c.code), '[]') {_CLUSTERS})",
        "returns_due": (
            "(select coalesce(json_agg(json_build_object('from', due.first, 'to', due.last, 'due_on', due.due_on)"
            " order by due.first), '[]') from ({due}) due)".replace("{due}", RETURNS_DUE)
        ),
        "next": f"case {{t}}.status {_NEXT} end",
    },
    parts={
        "service": Part("commissioned_service {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.service_id"),
        "provider": Part("provider {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.provider_id"),
        "terms": Part(f"{_TERMS} and {{p}}.number = {CURRENT_TERMS}"),
        "kpis": Part(f"{_KPIS} and {{p}}.sla_id = {{t}}.id and {{p}}.number = {CURRENT_TERMS}", order="{p}.kpi"),
        "versions": Part(
            _TERMS,
            order="{p}.number",
            parts={
                "kpis": Part(
                    f"{_KPIS} and {{p}}.sla_id = {{t}}.sla_id and {{p}}.number = {{t}}.number", order="{p}.kpi"
                )
            },
        ),
    },
    filters={
        "service": Filter(
            "{t}.service_id = (select s.id from commissioned_service s"
            " where s.area_id = {area} and {v} in (s.code, s.id::text))",
            "text",
            Line,
            "SLAs about the service with this id or code.",
        ),
        "provider": Filter("{t}.provider_id = {v}", "uuid", UUID, "SLAs with this provider."),
        "status": Filter("{t}.status = any({v})", "text[]", Several[SlaStatus], "SLAs in this state."),
        "cluster": Filter(
            f"exists (select {_CLUSTERS} and {{v}} in (c.code, c.id::text))",
            "text",
            Line,
            "SLAs that serve the cluster with this code or id.",
        ),
        "active_on": Filter(
            "{t}.status in ('active', 'ended') and {v} between {t}.starts_on and {t}.ends_on",
            "date",
            FullDate,
            "SLAs in force on this day.",
        ),
    },
    relations={
        "transitions": Relation("sla_transitions", {"sla_id": "id"}),
        "referrals": Relation("referrals", {"service_id": "service_id"}),
        "impact_returns": Relation("impact_returns", {"sla_id": "id"}),
    },
)

seal_columns(SlaTransition, SLA_TRANSITIONS)
