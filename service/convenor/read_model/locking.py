"""Records that are to be changed: whoever cannot read one cannot change it, and who changes it does so alone.

Every transaction takes the locks that it needs in one order, from the top of this list to its end and the rows of a
table by area and id, so that no two wait for each other:

1. its idempotency key; a bulk load takes its turn;
2. clusters;
3. services;
4. schools;
5. memberships, roles and purchases: each under its cluster, and under its school or service;
6. SLAs;
7. impact returns;
8. the numbers of pupils (advisory locks);
9. referrals, then the records that belong to them;
10. what the audit mentions, by its key.

Foreign keys keep to it. They take KEY SHARE of the row that they name, which waits for `REKEY` alone, and the keys of
a cluster never change. A service that gets another provider takes its SLAs, their returns and its referrals along
(`on update cascade`): whoever changes several referrals first shares their services. Areas and providers are outside
the list, since whoever locks one locks nothing else; the counts of referrals by month skip what is locked.

A load that is stored as a whole takes its referrals batch by batch, so that it can meet another writer in the other
order. For that, and for whatever this list lacks, a transaction that ends in a deadlock is tried once more.
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
    """How a row is locked until the transaction ends: `read` and `key_share` of `with_for_update`."""

    REKEY = False, False
    """FOR UPDATE: a column may change that is unique, or that foreign keys name."""
    CHANGE = False, True
    """FOR NO KEY UPDATE: other columns change, or what belongs to the row; foreign keys do not wait."""
    KEEP = True, False
    """FOR SHARE: the row stays as it is, for others who need that, too."""
    KEEP_KEY = True, True
    """FOR KEY SHARE: its key stays, as a foreign key asks."""


async def resolve(session: AsyncSession, principal: Principal, resource: Resource, key: str) -> Key:
    """Resolve an id or natural key.

    Raises:
        NotFound: when there is none, or none that the caller reaches.
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
        session: in the caller's transaction.
        principal: for whom.
        resource: what says how it is named, and who reaches it.
        model: its table, whose key is the area and the id.
        key: as it stands in the path.
        how: what is to happen to it.

    Raises:
        NotFound: when there is none, or none that the caller reaches.
    """
    return await lock(session, model, await resolve(session, principal, resource, key), how)


async def lock(session: AsyncSession, model: type[Row], key: UUID | Key, how: Lock = Lock.CHANGE) -> Row:
    """Lock a row, and read it as it is then.

    Raises:
        sqlalchemy.exc.NoResultFound: when it is gone, or no longer the caller's.
    """
    read, key_share = how.value
    return await session.get_one(
        model, key, populate_existing=True, with_for_update={"read": read, "key_share": key_share}
    )


async def lock_all(
    session: AsyncSession, model: type[InArea], keys: Collection[Key], how: Lock = Lock.CHANGE
) -> Sequence[InArea]:
    """Lock rows of one table in the order of their keys, and read them as they are then."""
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
