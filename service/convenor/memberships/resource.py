"""Declare the schools of a cluster, their memberships and the role holders."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.clusters.models import ClusterRoleFields, ClusterRoleKind
from convenor.database.constraints import valid_on
from convenor.domain_types.codes import Line, Phase
from convenor.domain_types.dates import FullDate
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Relation, Resource, Several, Sort
from convenor.schools.models import SchoolFields, SchoolStatus
from convenor.schools.resource import OFFERED

_CLUSTER = "(select c.code from cluster c where c.area_id = {t}.area_id and c.id = {t}.cluster_id)"
_SCHOOL = "(select s.{column} from school s where s.area_id = {t}.area_id and s.id = {t}.school_id)"
_URN, _NAME = _SCHOOL.replace("{column}", "urn"), _SCHOOL.replace("{column}", "name")


class ClusterSchoolRead(SchoolFields):
    """One school of a cluster, with the dates of its membership."""

    id: UUID = Field(description="The school's id.")
    membership_id: UUID = Field(description="The id of the school's membership.")
    valid_from: date | None = Field(description="The school's first day in the cluster, where stated.")
    valid_to: date | None = Field(description="The day on which the membership ended; the school is out from then on.")


class MembershipRead(BaseModel):
    """One membership: a school in a cluster, from its first day up to the day on which it ended."""

    id: UUID = Field(description="The membership's id.")
    cluster_id: UUID = Field(description="The cluster's id.")
    cluster: str = Field(description="The cluster's code.")
    school_id: UUID = Field(description="The school's id.")
    school_urn: str | None = Field(description="The school's URN.")
    school_name: str = Field(description="The school's name.")
    valid_from: date | None = Field(description="The school's first day in the cluster, where stated.")
    valid_to: date | None = Field(description="The day on which the membership ended; the school is out from then on.")


class ClusterRoleRead(ClusterRoleFields):
    """One role in a cluster, and who holds it."""

    id: UUID = Field(description="The role's id.")
    cluster_id: UUID = Field(description="The cluster's id.")
    cluster: str = Field(description="The cluster's code.")
    school_id: UUID | None = Field(description="The school that the holder works at.")
    school_urn: str | None = Field(description="That school's URN.")


CLUSTER_SCHOOLS = Resource(
    name="cluster_schools",
    singular="cluster_school",
    table="cluster_school",
    view=True,
    read=ClusterSchoolRead,
    row_access=OPEN_TO_AREA,
    scope="clusters:read",
    order="name",
    sorts={"name": Sort("name", "text")},
    filters={
        "as_at": Filter(
            valid_on("{t}", "{v}"),
            "date",
            FullDate,
            "Schools that are in the cluster on this day; by default today.",
            default_sql=valid_on("{t}", "{today}"),
        ),
        "phase": Filter("{t}.phase = any({v})", "text[]", Several[Phase], "Schools of this phase."),
        "status": Filter("{t}.status = any({v})", "text[]", Several[SchoolStatus], "Schools of this status."),
    },
    relations={
        "school": Relation("schools", {"id": "id"}, many=False),
        "services": OFFERED,
        "referrals": Relation("referrals", {"school_id": "id"}),
    },
)

MEMBERSHIPS = Resource(
    name="cluster_memberships",
    singular="cluster_membership",
    table="cluster_membership",
    read=MembershipRead,
    row_access=OPEN_TO_AREA,
    scope="clusters:read",
    etag="version",
    order="id",
    sorts={"id": Sort("id", "uuid")},
    sql={"cluster": _CLUSTER, "school_urn": _URN, "school_name": _NAME},
    filters={
        "cluster": Filter(
            "{t}.cluster_id = (select c.id from cluster c where c.area_id = {area} and {v} in (c.code, c.id::text))",
            "text",
            Line,
            "Memberships of the cluster with this code or id.",
        ),
        "school": Filter(
            "{t}.school_id = (select s.id from school s where s.area_id = {area} and {v} in (s.urn, s.id::text))",
            "text",
            Line,
            "Memberships of the school with this URN or id.",
        ),
        "as_at": Filter(
            valid_on("{t}", "{v}"),
            "date",
            FullDate,
            "Memberships in force on this day; by default all, past and future.",
        ),
    },
)

ROLES = Resource(
    name="cluster_roles",
    singular="cluster_role",
    table="cluster_role",
    read=ClusterRoleRead,
    row_access=OPEN_TO_AREA,
    scope="clusters:read",
    etag="version",
    order="valid_from",
    sorts={"valid_from": Sort("valid_from", "date")},
    sql={"cluster": _CLUSTER, "school_urn": _URN},
    filters={
        "role": Filter("{t}.role = any({v})", "text[]", Several[ClusterRoleKind], "Holders of this role."),
        "as_at": Filter(
            valid_on("{t}", "{v}"),
            "date",
            FullDate,
            "Roles that are held on this day; by default today.",
            default_sql=valid_on("{t}", "{today}"),
        ),
    },
)
