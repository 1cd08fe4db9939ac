"""Areas, as they are read."""

from uuid import UUID

from pydantic import Field

from convenor.areas.models import AreaFields
from convenor.kit.reading.declare import DIRECTORY, Relation, Resource, Sort


class AreaRead(AreaFields):
    """One area."""

    id: UUID = Field(description="The area's id.")


AREAS = Resource(
    name="areas",
    singular="area",
    table="area",
    read=AreaRead,
    reach=DIRECTORY,
    natural_key="la_code",
    id_sql="{t}.area_id",
    etag="version",
    order="la_code",
    sorts={"la_code": Sort("la_code", "text"), "name": Sort("name", "text")},
    sql={"id": "{t}.area_id"},
    relations={
        "clusters": Relation("clusters", {"area_id": "area_id"}),
        "schools": Relation("schools", {"area_id": "area_id"}),
        "providers": Relation("providers", {"area_id": "area_id"}),
        "services": Relation("services", {"area_id": "area_id"}),
    },
)
