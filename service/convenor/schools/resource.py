"""Declare schools."""

from uuid import UUID

from pydantic import Field

from convenor.database.constraints import valid_on
from convenor.domain_types.codes import Line, Phase, Urn
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Relation, Resource, Several, Sort
from convenor.schools.models import SchoolFields, SchoolStatus


class SchoolRead(SchoolFields):
    """One school."""

    id: UUID = Field(description="The school's id.")
    cluster: str | None = Field(description="The code of the school's cluster today.")
    successor_id: UUID | None = Field(description="The school that replaced it, for example on academy conversion.")


_TODAY = (
    "from cluster_membership m join cluster c on c.area_id = m.area_id and c.id = m.cluster_id"
    f" where m.area_id = {{t}}.area_id and m.school_id = {{t}}.id and {valid_on('m', '{today}')}"
)
OFFERED = Relation(
    "services",
    where="exists (select from service_cluster sc join cluster_membership m"
    " on m.area_id = sc.area_id and m.cluster_id = sc.cluster_id"
    " where sc.area_id = {t}.area_id and sc.service_id = {t}.id and m.school_id = {p}.id"
    f" and {valid_on('sc', '{today}')} and {valid_on('m', '{today}')})",
)
"""The services that a school's cluster buys today."""

SCHOOLS = Resource(
    name="schools",
    singular="school",
    table="school",
    read=SchoolRead,
    row_access=OPEN_TO_AREA,
    natural_key="urn",
    etag="version",
    order="name",
    sorts={"name": Sort("name", "text")},
    sql={"cluster": f"(select c.code {_TODAY})"},
    filters={
        "urn": Filter("{t}.urn = {v}", "text", Urn, "Schools with this URN."),
        "cluster": Filter(
            f"exists (select {_TODAY} and {{v}} in (c.code, c.id::text))",
            "text",
            Line,
            "Schools that are in the cluster with this code or id today.",
        ),
        "phase": Filter("{t}.phase = any({v})", "text[]", Several[Phase], "Schools of this phase."),
        "status": Filter("{t}.status = any({v})", "text[]", Several[SchoolStatus], "Schools of this status."),
    },
    relations={
        "memberships": Relation("cluster_memberships", {"school_id": "id"}),
        "services": OFFERED,
        "referrals": Relation("referrals", {"school_id": "id"}),
    },
)
