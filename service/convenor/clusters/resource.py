"""Declare clusters: fields, filters and relations."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from convenor.clusters.models import ClusterFields, SuccessionKind
from convenor.database.constraints import valid_on
from convenor.domain_types.dates import FullDate
from convenor.read_model.resource import OPEN_TO_AREA, Filter, Part, Relation, Resource, Sort


class SuccessionRead(BaseModel):
    """A predecessor or successor of a cluster."""

    id: UUID = Field(description="The other cluster's id.")
    code: str = Field(description="The other cluster's code.")
    kind: SuccessionKind = Field(description="A merger or a split.")
    on: date = Field(description="The day from which the successors replace the predecessors.")


class ClusterRead(ClusterFields):
    """One cluster."""

    id: UUID = Field(description="The cluster's id.")
    valid_from: date | None = Field(description="The cluster's first day, where stated.")
    valid_to: date | None = Field(description="The day on which the cluster ended, by a merger or a split.")
    school_count: int = Field(description="How many schools are in the cluster today.")
    predecessors: list[SuccessionRead] = Field(description="The clusters that it replaced.")
    successors: list[SuccessionRead] = Field(description="The clusters that replaced it.")


_CODE = "(select c.code from cluster c where c.area_id = {t}.area_id and c.id = {t}.{others})"
_MEMBERS_TODAY = (
    "(select count(*) from cluster_membership m where m.area_id = {t}.area_id and m.cluster_id = {t}.id and {held})"
).replace("{held}", valid_on("m", "{today}"))

_BUYS = (
    "exists (select from service_cluster sc where sc.area_id = {t}.area_id and sc.service_id = {t}.id"
    f" and sc.cluster_id = {{p}}.id and {valid_on('sc', '{today}')})"
)
_SERVED_BY = (
    "exists (select from sla_cluster sc where sc.area_id = {t}.area_id and sc.sla_id = {t}.id"
    " and sc.cluster_id = {p}.id and not sc.withdrawn)"
)


def _successions(own_column: str, other_column: str) -> Part:
    return Part(
        f"cluster_succession {{p}} where {{p}}.area_id = {{t}}.area_id and {{p}}.{own_column} = {{t}}.id",
        order=f"{{p}}.happened_on, {{p}}.{other_column}",
        sql={
            "id": f"{{t}}.{other_column}",
            "code": _CODE.replace("{others}", other_column),
            "on": "{t}.happened_on",
        },
    )


CLUSTERS = Resource(
    name="clusters",
    singular="cluster",
    table="cluster",
    read=ClusterRead,
    row_access=OPEN_TO_AREA,
    natural_key="code",
    etag="version",
    order="code",
    sorts={"code": Sort("code", "text"), "name": Sort("name", "text")},
    sql={"school_count": _MEMBERS_TODAY},
    open_free_text=("note",),
    parts={
        "predecessors": _successions("successor_id", "predecessor_id"),
        "successors": _successions("predecessor_id", "successor_id"),
    },
    filters={
        "as_at": Filter(
            valid_on("{t}", "{v}"),
            "date",
            FullDate,
            "Clusters that exist on this day; by default today.",
            default_sql=valid_on("{t}", "{today}"),
        ),
    },
    relations={
        "schools": Relation("cluster_schools", {"cluster_id": "id"}),
        "roles": Relation("cluster_roles", {"cluster_id": "id"}),
        "services": Relation("services", where=_BUYS),
        "slas": Relation("slas", where=_SERVED_BY),
        "referrals": Relation("referrals", {"cluster_id": "id"}),
    },
)
