"""Gather records, new and changed, and store them in a few statements, each record after those it refers to."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from convenor.read_model.sealed_fields import SEALED_TABLES
from convenor.read_model.sealed_rows import sealer_of

CHUNK = 2000
"""Rows of one statement: enough that the round trip does not show, and few enough to say how far the load has come."""


class Rows:
    """Records to store, by model."""

    def __init__(self) -> None:
        self.of: dict[type[SQLModel], list[dict[str, Any]]] = {}
        self.changed: dict[type[SQLModel], list[dict[str, Any]]] = {}

    def add(self, model: type[SQLModel], **values: Any) -> None:
        """Add one record; a missing column gets the model's default, except the id."""
        self.of.setdefault(model, []).append({**_defaults(model), **values})

    def change(self, model: type[SQLModel], **values: Any) -> None:
        """Change one record of an unsealed table; `values` are those of all its columns."""
        self.changed.setdefault(model, []).append(values)

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    async def store(self, session: AsyncSession, progress: Callable[[float], None] = lambda _share: None) -> None:
        """Insert and update all rows, in the context of the session's transaction.

        Args:
            session: the caller commits it.
            progress: called with the share that is stored, from 0 to 1.
        """
        done, total = 0, len(self)
        order = {table.name: at for at, table in enumerate(SQLModel.metadata.sorted_tables)}
        for model in sorted(self.of, key=lambda model: order[_table(model)]):
            rows = self.of[model]
            # The hashes are not among the values that were given.
            columns = ", ".join(f'"{name}"' for name in _sealed(session, _table(model), rows[:1])[0])
            insert = text(
                f'insert into "{_table(model)}" ({columns}) select {columns} '  # noqa: S608 - names of our own tables
                f'from json_populate_recordset(cast(null as "{_table(model)}"), cast(:rows as json))'
            )
            for start in range(0, len(rows), CHUNK):
                chunk = _sealed(session, _table(model), rows[start : start + CHUNK])
                await session.execute(insert, {"rows": json.dumps(chunk, default=str)})
                done += len(chunk)
                progress(done / total)
            # Or the first reads are planned for empty tables, until autovacuum comes round.
            await session.execute(text(f'analyze "{_table(model)}"'))
        for model, rows in self.changed.items():
            await session.execute(_update(model), {"rows": json.dumps(rows, default=str)})


def _update(model: type[SQLModel]) -> TextClause:
    columns = [f'"{name}" = new."{name}"' for name in model.model_fields if name not in ("area_id", "id", "version")]
    if "version" in model.model_fields:
        columns.append("version = old.version + 1")
    return text(
        f'update "{_table(model)}" old set {", ".join(columns)} '  # noqa: S608 - names of our own tables
        f'from json_populate_recordset(cast(null as "{_table(model)}"), cast(:rows as json)) new '
        "where old.area_id = new.area_id and old.id = new.id"
    )


def _sealed(session: AsyncSession, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as they are stored: what identifies a pupil is sealed."""
    if (sealed := SEALED_TABLES.get(table)) is None:
        return rows
    sealer, hidden = sealer_of(session), dict.fromkeys(sealed.columns)
    return [{**row, **hidden, **_hexadecimal(sealed.seal(sealer, row))} for row in rows]


def _hexadecimal(values: dict[str, bytes | None]) -> dict[str, str | None]:
    return {name: None if value is None else f"\\x{value.hex()}" for name, value in values.items()}


def _table(model: type[SQLModel]) -> str:
    return str(model.__tablename__)


@cache
def _defaults(model: type[SQLModel]) -> dict[str, Any]:
    fields = model.model_fields.items()
    return {name: None if field.is_required() else field.get_default() for name, field in fields if name != "id"}
