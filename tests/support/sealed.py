"""What identifies a pupil, as it is stored: opened by a test, or stored again as an older release did."""

import json
from typing import Any

import asyncpg
from support.api_client import Service

from convenor.read_model.sealed_fields import SEALED_TABLES
from convenor_auth.keys import load_secret_keys


async def opened(service: Service, table: str, order: str = "id") -> list[dict[str, Any]]:
    """Return the sealed columns of every row of a table."""
    sealer, admin = load_secret_keys(service.data_dir).sealer, await asyncpg.connect(service.superuser_url)
    rows = await admin.fetch(f'select * from "{table}" order by {order}')
    await admin.close()
    return [SEALED_TABLES[table].open(sealer, row) for row in rows]


async def store_plain(service: Service) -> None:
    """Store everything in plain form, as a release did that sealed nothing."""
    sealer, admin = load_secret_keys(service.data_dir).sealer, await asyncpg.connect(service.superuser_url)
    await admin.execute("set session_replication_role = replica")
    for table in SEALED_TABLES.values():
        emptied = [*table.ciphertexts, *(f"{column}_hash" for column in table.hashed)]
        for row in await admin.fetch(f"select * from {table.name} where {table.ciphertexts[0]} is not null"):
            columns = ", ".join(f'"{name}" = r."{name}"' for name in table.columns)
            await admin.execute(
                f"update {table.name} t set {columns}, {', '.join(f'{name} = null' for name in emptied)}"
                f" from jsonb_populate_record(null::{table.name}, $2::jsonb) r where t.id = $1",
                row["id"],
                json.dumps(table.open(sealer, row)),
            )
    await admin.close()
