"""Build a client with what it needs: an organisation that answers for it, and that organisation's agreement."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import col

from convenor.security.principal import Grant, Role
from convenor_auth.clients import create_client
from convenor_auth.models import DataSharingAgreement, Organisation
from convenor_auth.roles import IDENTIFY, ROLES

START = date(2020, 9, 1)


@dataclass
class Client:
    """A client as its owner knows it. A client that signs with a key has no secret."""

    client_id: str
    secret: str
    role: Role
    organisation_id: UUID
    scopes: frozenset[str]


@asynccontextmanager
async def owner_session(url: str) -> AsyncIterator[AsyncSession]:
    """Open a transaction at an address, and commit it at the end."""
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(url)
    )
    try:
        async with AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


async def add_organisation(
    session: AsyncSession,
    name: str,
    *,
    reference: str,
    kind: str = "school",
    starts_on: date = START,
    ends_on: date | None = None,
) -> tuple[Organisation, DataSharingAgreement]:
    """Store an organisation and its data sharing agreement."""
    organisation = Organisation(name=name, kind=kind)
    session.add(organisation)
    await session.flush()
    agreement = DataSharingAgreement(
        organisation_id=organisation.id,
        reference=reference,
        purposes=["direct support", "triage meeting"],
        legal_basis="public task",
        starts_on=starts_on,
        ends_on=ends_on,
    )
    session.add(agreement)
    await session.flush()
    return organisation, agreement


async def add_client(
    session: AsyncSession,
    role: Role,
    grants: Sequence[Grant] = (),
    *,
    client_id: str | None = None,
    scopes: Collection[str] | None = None,
    reference: str | None = None,
    starts_on: date = START,
    ends_on: date | None = None,
    public_jwk: Mapping[str, Any] | None = None,
    audience_flag: bool = False,
) -> Client:
    """Store a client under an organisation and an agreement of its own.

    Args:
        session: The owner's, in a transaction.
        role: Whose scopes it has unless others are given: all of them but `pupils:identify`.
        grants: The records that it stands for.
        client_id: Made up from the role where none is given.
        scopes: What it may ask for.
        reference: The reference of its agreement, which follows the client's id where none is given.
        starts_on: The first day of its agreement.
        ends_on: The last day of its agreement.
        public_jwk: The key that it signs with; without one it gets a secret.
        audience_flag: Whether its assertions may name the token address.
    """
    organisation, agreement = await add_organisation(
        session,
        f"Organisation of {client_id or role}",
        reference=reference or f"DSA-{client_id or role}",
        kind=ROLES[role].organisation_kind,
        starts_on=starts_on,
        ends_on=ends_on,
    )
    held = frozenset(ROLES[role].scopes - {IDENTIFY} if scopes is None else scopes)
    created = await create_client(
        session,
        organisation=organisation,
        agreement=agreement,
        role=role,
        scopes=held,
        grants=grants,
        public_jwk=public_jwk,
        client_id=client_id,
        audience_flag=audience_flag,
    )
    return Client(created.client_id, created.secret or "", role, organisation.id, held)


async def add_colleague(session: AsyncSession, client: Client, grants: Sequence[Grant]) -> Client:
    """Store another client of a client's organisation, with the same role and scopes."""
    organisation = await session.get_one(Organisation, client.organisation_id)
    agreement = await session.scalar(
        select(DataSharingAgreement).where(col(DataSharingAgreement.organisation_id) == organisation.id)
    )
    assert agreement
    created = await create_client(
        session, organisation=organisation, agreement=agreement, role=client.role, scopes=client.scopes, grants=grants
    )
    return Client(created.client_id, created.secret or "", client.role, organisation.id, client.scopes)
