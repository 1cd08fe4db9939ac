"""A school that another one succeeds, on an academy conversion."""

import asyncpg
from support.api_client import Service

URN = "900051"


async def convert(service: Service, to: str) -> str:
    """Close the school 900001 and let a client, which has not called yet, act for its successor. Return the URN."""
    conversion = {"urn": URN, "name": "Ashgrove Academy", "on": "2026-01-05"}
    made = await service.as_("commissioner").post("/v1/schools/900001/successor", conversion)
    assert made.status_code == 201, made.text
    connection = await asyncpg.connect(service.superuser_url)
    try:
        await connection.execute(
            "insert into client_grant (client_id, kind, area_id, key) values ($1, 'school', $2, $3)",
            service.area().clients[to].client_id,
            service.area().id,
            made.json()["id"],
        )
    finally:
        await connection.close()
    return URN
