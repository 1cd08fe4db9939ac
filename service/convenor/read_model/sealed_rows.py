"""Seal what identifies a child in every row that a session writes, and open it in every row that a session loads.

Rules see the columns of an entity in plain form. Their types store nothing, so that no plain form can reach the
database by mistake: not as a row, not as the parameter of a query. What is compared has a keyed hash beside it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Date, Dialect, MetaData, Table, Uuid, event, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, object_session
from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import col

from convenor.database.constraints import AreaRow
from convenor.read_model.resource import Part, Resource
from convenor.read_model.sealed_fields import SEALED_TABLES, SealedTable, stored_at
from convenor.security.sealing import Sealer

SEALER = "sealer"
"""The key of the sealer in a session's `info`."""

Row = TypeVar("Row", bound=AreaRow)
SEALED_MODELS: list[type[AreaRow]] = []
"""The tables that are sealed."""


class _NeverStored(TypeDecorator[Any]):
    """A column whose values are sealed elsewhere. What an older release stored in it is still read."""

    impl = Uuid
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind
        self.impl = kind  # type: ignore[assignment]

    def process_bind_param(self, _value: Any, _dialect: Dialect) -> None:
        """Store nothing."""
        return


def seal_columns(model: type[AreaRow], declared: Resource | Part) -> SealedTable:
    """Seal the columns of a table that a declaration hides from some roles. Ids identify nobody by themselves.

    Args:
        model: The table, with a column `sealed_<sensitivity>` for each sensitivity, and `<column>_hash` for what is
            compared.
        declared: What hides them.

    Returns:
        How they are sealed.
    """
    sealed = _register(inspect(model).local_table, declared)
    columns = inspect(model).local_table.columns
    dates = {name for name in sealed.columns if isinstance(columns[name].type.kind, Date)}

    def opens(target: Any, *_context: Any) -> None:
        row = target.__dict__
        if any(row.get(name) is None for name in sealed.ciphertexts):
            return
        for name, value in sealed.open(_sealer_of(target), row).items():
            set_committed_value(target, name, date.fromisoformat(value) if value and name in dates else value)

    def seals(_mapper: Mapper[Any], _connection: Any, target: Any) -> None:
        state = inspect(target)
        watched = (*sealed.columns, *sealed.ciphertexts)
        if state.persistent and not any(state.attrs[name].history.has_changes() for name in watched):
            return
        for name, value in sealed.seal(_sealer_of(target), target.__dict__).items():
            setattr(target, name, value)
        for name in sealed.columns:
            flag_modified(target, name)

    for name in ("load", "refresh"):
        event.listen(model, name, opens)
    for name in ("before_insert", "before_update"):
        event.listen(model, name, seals)
    SEALED_MODELS.append(model)
    return sealed


def refuse_unsealed(declared: Resource | Part, where: str, metadata: MetaData) -> None:
    """Refuse a declaration that hides a column from some roles which its table stores in plain form.

    Args:
        declared: A resource, or a part of one.
        where: Its name.
        metadata: With every table.

    Raises:
        ValueError: A column is not sealed.
    """
    for path, sensitivity in declared.sensitivity.items():
        stored = stored_at(declared, path)
        for name in stored.columns if stored else ():
            assert stored
            sealed = SEALED_TABLES.get(stored.table)
            is_id = isinstance(metadata.tables[stored.table].columns[name].type, Uuid)
            if not is_id and (sealed is None or sealed.group_of(name) != sensitivity):
                raise ValueError(
                    f"{where}: {path} is hidden from some roles. Seal {stored.table}.{name} with `seal_columns`."
                )
    for path, part in declared.parts.items():
        refuse_unsealed(part, f"{where}: parts[{path}]", metadata)


def _register(table: Table, declared: Resource | Part) -> SealedTable:
    groups: dict[str, list[str]] = {}
    hashed: dict[str, str] = {}
    for path, sensitivity in declared.sensitivity.items():
        stored = stored_at(declared, path)
        if stored is None or stored.table != table.name:
            continue
        for column in (table.columns[name] for name in stored.columns):
            if isinstance(column.type, Uuid):
                continue
            groups.setdefault(sensitivity.value, []).append(column.name)
            if f"{column.name}_hash" in table.columns:
                hashed[column.name] = column.name if stored.select else path
            column.nullable, column.type = True, _NeverStored(column.type)
    sealed = SealedTable(table.name, {group: tuple(columns) for group, columns in groups.items()}, hashed)
    SEALED_TABLES[table.name] = sealed
    return sealed


def sealer_of(session: AsyncSession) -> Sealer:
    """Return the sealer of a session, which hashes what its queries compare."""
    sealer: Sealer = session.info[SEALER]
    return sealer


async def seal_stored(
    session: AsyncSession, model: type[Row], conditions: Sequence[ColumnElement[bool]], limit: int | None = None
) -> Sequence[Row]:
    """Seal rows anew that have been stored, locked in the order of their keys.

    Args:
        session: In the caller's transaction.
        model: A sealed table.
        conditions: Which rows.
        limit: How many at most.

    Returns:
        The rows that were sealed.
    """
    sealed = SEALED_TABLES[str(model.__tablename__)]
    found = await session.scalars(
        select(model)
        .where(*conditions)
        .order_by(col(model.area_id), col(model.id))
        .limit(limit)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    rows = found.all()
    for row in rows:
        flag_modified(row, sealed.ciphertexts[0])
    await session.flush()
    return rows


def _sealer_of(target: Any) -> Sealer:
    session = object_session(target)
    assert session is not None, "a row is loaded and stored by a session"
    sealer: Sealer = session.info[SEALER]
    return sealer
