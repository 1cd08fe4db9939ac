"""Declare areas."""

from uuid import UUID

from pydantic import Field

from convenor.areas.models import AreaFields
from convenor.read_model.resource import OPEN_TO_AREA, Relation, Resource, Sort
from convenor.security.principal import Role, RowAccess


class AreaRead(AreaFields):
    """One area."""

    id: UUID = Field(description="The area's id.")


AREAS = Resource(
    name="areas",
    singular="area",
    table="area",
    read=AreaRead,
    row_access={**OPEN_TO_AREA, Role.OPERATOR: RowAccess.INSTALLATION},
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
