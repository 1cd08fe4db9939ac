"""Declare referrals and their history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.domain_types.codes import Line, NeedType, NhsNumber, Upn
from convenor.domain_types.dates import Timestamp
from convenor.pathways.models import ReferralState
from convenor.pupils.resource import PUPIL, STATEMENT_OF_REFERRAL, PupilRead
from convenor.read_model.resource import Filter, Relation, Resource, Several, Sort
from convenor.read_model.sealed_rows import seal_columns
from convenor.referrals.models import (
    HANDED_OVER,
    ConsentFields,
    GroupFields,
    Priority,
    Referral,
    ReferralFields,
    ReferralTransition,
    TransitionFields,
)
from convenor.security.principal import FieldSensitivity, Role, RowAccess

CASE_ROW_ACCESS: Mapping[Role, RowAccess] = {
    Role.SCHOOL_MIS: RowAccess.SCHOOL,
    Role.HEALTH_SYSTEM: RowAccess.PROVIDER,
    Role.PROVIDER_PORTAL: RowAccess.PROVIDER,
    Role.COMMISSIONER: RowAccess.AREA,
}
"""Each role's row access to referrals and the records that belong to them."""


class PupilSubject(BaseModel):
    """A referral about one pupil."""

    kind: Literal["pupil"] = Field(description="About one pupil.")
    pupil: PupilRead = Field(description="The pupil, as the school stated them in this referral.")


class GroupSubject(BaseModel):
    """A referral about a group of pupils."""

    kind: Literal["group"] = Field(description="About a group.")
    group: GroupFields = Field(description="The group; no pupil is named.")


class SchoolSubject(BaseModel):
    """A referral about the whole school."""

    kind: Literal["school"] = Field(description="About the school.")


class OtherReferral(BaseModel):
    """A referral that another one names."""

    id: UUID = Field(description="Its id.")
    code: str = Field(description="Its code.")


class ReferralRead(ReferralFields):
    """One referral."""

    id: UUID = Field(description="The referral's id.")
    code: str = Field(description="The referral's code, which is easy to read out over the telephone.")
    status: str = Field(
        description="The referral's state, which its pathway describes; or `handed_over`, if the pupil moved and"
        " another school's referral continues it."
    )
    pathway: str = Field(description="The code of the referral's pathway.")
    pathway_version: int = Field(description="The version of the pathway when the referral was submitted.")
    service_id: UUID = Field(description="The commissioned service that the referral is to.")
    service_code: str = Field(description="The service's code.")
    provider_id: UUID = Field(description="The provider of the service.")
    school_id: UUID = Field(description="The school that made the referral.")
    school_urn: str | None = Field(description="The school's URN.")
    cluster: str | None = Field(description="The code of the school's cluster when the referral was submitted.")
    subject: Annotated[PupilSubject | GroupSubject | SchoolSubject, Field(discriminator="kind")] = Field(
        description="The pupil, group or school that the referral is about."
    )
    consent: ConsentFields | None = Field(description="The family's consent or its equivalent, where stated.")
    submitted_at: datetime = Field(description="When the referral was first submitted.")
    started_at: datetime | None = Field(
        description="When work began: the start of the day of the first attended session, not before the referral."
    )
    ended_at: datetime | None = Field(
        description="When the referral was discharged, declined, withdrawn or handed over."
    )
    waiting_days: int = Field(
        description="Days from submission to the first attended session, or else until today or the referral's end."
    )
    returned_days: int = Field(description="How many of these days the referral was returned to the referrer.")
    next: list[str] = Field(description="The next states of the referral, for any role.")
    collides_with: list[str] = Field(
        description="The codes of other open referrals of this pupil to this service, which later statements made"
        " this pupil's."
    )
    possible_duplicates: list[str] = Field(
        description="The codes of other open referrals to this service that are, or may be, of the same child. It takes"
        " a few seconds after a referral until they are known. Only for services and the commissioner."
    )
    continues: OtherReferral | None = Field(
        description="The referral of the pupil's earlier school that this one continues with its wait, after a"
        " handover. Only for services and the commissioner."
    )
    continued_by: OtherReferral | None = Field(
        description="The referral of the pupil's new school that continues this one. Only for services and the"
        " commissioner."
    )
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


class TransitionRead(TransitionFields):
    """One step of a referral."""

    id: UUID = Field(description="The step's id.")
    from_status: str | None = Field(description="The state before the step; null for the first step.")
    to: str = Field(description="The state after the step.")
    by: str = Field(description="Who made the step: the referrer or the service, or the system after a contact.")
    organisation: str = Field(description="The organisation that made the step.")
    at: datetime = Field(description="When the step was made.")
    redacted: list[str] = Field(description="The fields that your role does not see, by dotted path.")


TRANSITIONS = Resource(
    name="transitions",
    singular="transition",
    table="referral_transition",
    read=TransitionRead,
    row_access=CASE_ROW_ACCESS,
    scope="referrals:read",
    subject=STATEMENT_OF_REFERRAL,
    order="at",
    sorts={"at": Sort("at", "timestamptz")},
    sql={"to": "{t}.to_status"},
    sensitivity={"reason": FieldSensitivity.IDENTITY, "outcome": FieldSensitivity.IDENTITY},
)

REFERRALS = Resource(
    name="referrals",
    singular="referral",
    table="referral",
    read=ReferralRead,
    row_access=CASE_ROW_ACCESS,
    natural_key="code",
    etag="version",
    subject="{t}.statement_id",
    order="-submitted_at",
    sorts={"submitted_at": Sort("submitted_at", "timestamptz")},
    sql={
        "service_code": (
            "(select s.code from commissioned_service s where s.area_id = {t}.area_id and s.id = {t}.service_id)"
        ),
        "school_urn": "(select s.urn from school s where s.area_id = {t}.area_id and s.id = {t}.school_id)",
        "cluster": "(select c.code from cluster c where c.area_id = {t}.area_id and c.id = {t}.cluster_id)",
        "subject.kind": "{t}.subject_kind",
        "subject.group.size": "{t}.group_size",
        "subject.group.year_groups": "coalesce({t}.group_year_groups, '{}')",
        "subject.group.description": "{t}.group_description",
        "consent": (
            "case when {t}.consent_basis is not null then json_build_object('basis', {t}.consent_basis,"
            " 'given_by', {t}.consent_given_by, 'on', {t}.consent_on) end"
        ),
        "waiting_days": (
            "((coalesce({t}.started_at, {t}.ended_at, now()) at time zone 'Europe/London')::date"
            " - ({t}.submitted_at at time zone 'Europe/London')::date)"
        ),
        "returned_days": (
            "(({t}.returned_seconds + case when {t}.returned_at is null then 0"
            " else extract(epoch from now() - {t}.returned_at)::int end) / 86400)"
        ),
        "next": (
            "coalesce((select p.next_states -> {t}.status from pathway p"
            " where p.code = {t}.pathway and p.version = {t}.pathway_version), '[]')"
        ),
        "collides_with": "coalesce({t}.collides_with, '{}')",
        "possible_duplicates": (
            "coalesce((select possible_duplicates_of(l, {t}.service_id) from person_link l"
            " where l.area_id = {t}.area_id and l.referral_id = {t}.id), '{}')"
        ),
        "continues": (
            "case when {t}.continues_id is not null then continued_referral({t}.area_id, {t}.continues_id) end"
        ),
        "continued_by": (
            f"case when {{t}}.status = '{HANDED_OVER}' then continuing_referral({{t}}.area_id, {{t}}.id) end"
        ),
    },
    parts={"subject.pupil": PUPIL},
    variants={"subject": "{t}.subject_kind"},
    sensitivity={
        "reason": FieldSensitivity.IDENTITY,
        "subject.group.description": FieldSensitivity.IDENTITY,
        "possible_duplicates": FieldSensitivity.PERSON,
        "continues": FieldSensitivity.PERSON,
        "continued_by": FieldSensitivity.PERSON,
    },
    filters={
        "status": Filter("{t}.status = any({v})", "text[]", Several[ReferralState], "Referrals in this state."),
        "open": Filter("({t}.ended_at is null) = {v}", "boolean", bool, "Open referrals, or ended ones."),
        "school": Filter(
            "{t}.school_id = (select s.id from school s where s.area_id = {area} and {v} in (s.urn, s.id::text))",
            "text",
            Line,
            "Referrals of the school with this URN or id.",
        ),
        "cluster": Filter(
            "{t}.cluster_id = (select c.id from cluster c where c.area_id = {area} and {v} in (c.code, c.id::text))",
            "text",
            Line,
            "Referrals from the cluster with this code or id.",
        ),
        "service": Filter(
            "{t}.service_id = (select s.id from commissioned_service s"
            " where s.area_id = {area} and {v} in (s.code, s.id::text))",
            "text",
            Line,
            "Referrals to the service with this id or code.",
        ),
        "need": Filter("{t}.need = any({v})", "text[]", Several[NeedType], "Referrals for this need."),
        "priority": Filter("{t}.priority = any({v})", "text[]", Several[Priority], "Referrals of this priority."),
        "submitted_after": Filter(
            "{t}.submitted_at > {v}", "timestamptz", Timestamp, "Submitted after this time (RFC 3339)."
        ),
        "submitted_before": Filter(
            "{t}.submitted_at < {v}", "timestamptz", Timestamp, "Submitted before this time (RFC 3339)."
        ),
        "upn": Filter(
            "{t}.pupil_id = any(array(select i.pupil_id from pupil_statement i where i.area_id = {area}"
            " and i.superseded_at is null and (i.upn_hash = {hash} or i.temporary_upn_hash = {hash}"
            " or (i.sealed_identity is null and {v} in (i.upn, i.temporary_upn)))))",
            "text",
            Upn,
            "All referrals of the pupil with exactly this UPN.",
            FieldSensitivity.UPN,
        ),
        "nhs_number": Filter(
            "{t}.pupil_id = any(array(select i.pupil_id from pupil_statement i where i.area_id = {area}"
            " and i.superseded_at is null and (i.nhs_number_hash = {hash}"
            " or (i.sealed_identity is null and i.nhs_number = {v}))"
            " union all select r.pupil_id from traced_number n"
            " join referral r on r.area_id = n.area_id and r.id = n.referral_id where n.area_id = {area}"
            " and n.superseded_at is null and (n.nhs_number_hash = {hash}"
            " or (n.sealed_nhs_number is null and n.nhs_number = {v}))))",
            "text",
            NhsNumber,
            "All referrals of the pupil with exactly this NHS number.",
            FieldSensitivity.NHS_NUMBER,
        ),
    },
    relations={
        "service": Relation("services", {"id": "service_id"}, many=False),
        "school": Relation("schools", {"id": "school_id"}, many=False),
        "transitions": Relation("transitions", {"referral_id": "id"}),
        "contacts": Relation("contacts", {"referral_id": "id"}),
        "outcomes": Relation("outcomes", {"referral_id": "id"}),
    },
)

seal_columns(Referral, REFERRALS)
seal_columns(ReferralTransition, TRANSITIONS)
