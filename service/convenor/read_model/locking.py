"""Load and lock records for a change. A caller can only change a record that it can read.

Every transaction takes its locks in the order of this list, and the rows of one table by area and id. So no two
transactions wait for each other:

1. its idempotency key; a bulk import queues here;
2. clusters;
3. services;
4. schools;
5. memberships, roles and purchases, after their cluster and their school or service;
6. SLAs;
7. impact returns;
8. the turn of linking the pupils of an area (an advisory lock), then their matches;
9. handovers, then their requests;
10. the pupils of a school (an advisory lock), or of two in the order of their ids;
11. referrals, then the records that belong to them;
12. the records that the audit mentions, by key.

Foreign keys respect this order. They take KEY SHARE on the row that they name, which waits for `REKEY` only, and the
keys of a cluster never change. When a service changes its provider, its SLAs, their returns and its referrals follow
(`on update cascade`), so a change of several referrals first locks their services with `KEEP`. Areas and providers are
not in the list, because a transaction that locks one locks nothing else. The counts of referrals by month skip locked
rows.

An all-or-nothing import locks its referrals batch by batch, so that it can meet another writer in the opposite order.
For such cases, a transaction that ends in a deadlock is tried once more.
"""

from collections.abc import Collection, Sequence
from enum import Enum
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, col

from convenor.database.constraints import AreaRow
from convenor.database.pools import driver_connection
from convenor.problems import NotFound
from convenor.read_model.execute import resolve_reference
from convenor.read_model.resource import Resource
from convenor.security.principal import Principal

Row = TypeVar("Row", bound=SQLModel)
InArea = TypeVar("InArea", bound=AreaRow)
Key = tuple[UUID, UUID]
"""The area and the id of a row."""


class Lock(Enum):
    """The strength of a row lock, as `read` and `key_share` of `with_for_update`."""

    REKEY = False, False
    """FOR UPDATE: a unique or referenced column may change."""
    CHANGE = False, True
    """FOR NO KEY UPDATE: other columns or dependent rows change; foreign keys do not wait."""
    KEEP = True, False
    """FOR SHARE: nobody may change the row."""
    KEEP_KEY = True, True
    """FOR KEY SHARE: nobody may change the row's key, as a foreign key requires."""


async def resolve(session: AsyncSession, principal: Principal, resource: Resource, key: str) -> Key:
    """Resolve an id or natural key.

    Raises:
        NotFound: there is no such record, or the caller may not see it.
        AmbiguousKey: records of several of the caller's areas have this natural key.
    """
    found = await resolve_reference(await driver_connection(session), principal, resource, key)
    if found is None:
        raise NotFound
    return found


async def get_for_update(
    session: AsyncSession,
    principal: Principal,
    resource: Resource,
    model: type[Row],
    key: str,
    how: Lock = Lock.CHANGE,
) -> Row:
    """Load the record of an id or natural key, locked until the transaction ends.

    Args:
        session: a session in a transaction.
        principal: the caller.
        resource: the kind of record, with its natural key and row access.
        model: the table, whose primary key is the area and the id.
        key: the record's key from the path.
        how: the strength of the lock.

    Raises:
        NotFound, AmbiguousKey: see `resolve`.
    """
    return await lock(session, model, await resolve(session, principal, resource, key), how)


async def lock(session: AsyncSession, model: type[Row], key: UUID | Key, how: Lock = Lock.CHANGE) -> Row:
    """Lock a row and read its current values.

    Raises:
        sqlalchemy.exc.NoResultFound: the row has gone, or the caller may no longer see it.
    """
    read, key_share = how.value
    return await session.get_one(
        model, key, populate_existing=True, with_for_update={"read": read, "key_share": key_share}
    )


async def lock_all(
    session: AsyncSession, model: type[InArea], keys: Collection[Key], how: Lock = Lock.CHANGE
) -> Sequence[InArea]:
    """Lock rows of one table in the order of their keys, and read their current values."""
    if not keys:
        return ()
    key = col(model.area_id), col(model.id)
    read, key_share = how.value
    found = await session.scalars(
        select(model)
        .where(tuple_(*key).in_(keys))
        .order_by(*key)
        .with_for_update(read=read, key_share=key_share)
        .execution_options(populate_existing=True)
    )
    return found.all()
