"""OAuth services over a real database, and partners' systems that ask them for tokens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool
from support.clients import add_client
from support.databases import Server, named, new_database
from support.empty_databases import Empty
from support.oauth_clients import ISSUER, Clock, Partner, Register, new_key
from support.watched_tokens import watching

from convenor.audit.actions import UNKNOWN_ACTION
from convenor.audit.record import AuditRecord
from convenor.domain_types.dates import london_date
from convenor.http.request_context import PathPolicy, RequestContext
from convenor.http.responses import pop_record
from convenor.security.principal import Grant, Role, RowAccess
from convenor_auth.keys import make_keys
from convenor_auth.oauth_services import OAuthServices, open_oauth_services
from convenor_auth.roles import ROLES
from convenor_auth.routes import router


@pytest.fixture(scope="session")
async def database(server: Server, migrated: str) -> AsyncIterator[str]:
    async with new_database(server, migrated) as name:
        yield name


@pytest.fixture(scope="session")
def owner_url(server: Server, database: str) -> str:
    return Empty.of(server, database).owner_url


@pytest.fixture(scope="session")
async def owner(owner_url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(owner_url)
    )
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture(scope="session")
def app_url(server: Server, database: str) -> str:
    """The application's own login: what it is not granted, it cannot do."""
    return named(server.app_url, database)


@pytest.fixture(scope="session")
async def engine(app_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(app_url))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def pool(app_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(app_url, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def oauth(engine: AsyncEngine, pool: asyncpg.Pool, tmp_path: Path, clock: Clock) -> OAuthServices:
    make_keys(tmp_path)
    return open_oauth_services(ISSUER, tmp_path, async_sessionmaker(engine), pool, clock)


@pytest.fixture
def audited() -> list[AuditRecord | None]:
    """What the routes left for the audit, newest last."""
    return []


@pytest.fixture
async def http(oauth: OAuthServices, audited: list[AuditRecord | None]) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(router)
    services: Any = SimpleNamespace(get={OAuthServices: oauth}.get)

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        async def hear(message: Any) -> None:
            if message["type"] == "http.response.start":
                audited.append(pop_record(message, UNKNOWN_ACTION))
            await send(message)

        policy = PathPolicy(for_partners=False, audited=True, bulk=False)
        RequestContext(services, policy, dict(scope["headers"]), "request", None).enter(scope)
        await app(scope, receive, hear)

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
            client = await add_client(
                session,
                role,
                grants,
                scopes=ROLES[role].scopes if scopes is None else scopes,
                reference=f"{reference}-{uuid4().hex[:8]}",
                starts_on=starts_on,
                ends_on=ends_on,
                public_jwk=key and key.as_dict(private=False),
                audience_flag=audience_flag,
            )
        return Partner(http, client.client_id, clock, client.secret or None, key)

    return register


@pytest.fixture
def area() -> Grant:
    area_id = uuid4()
    return Grant(area_id, RowAccess.AREA, area_id)


@pytest.fixture
def yesterday(clock: Clock) -> date:
    return london_date(datetime.fromtimestamp(clock.now, UTC)) - timedelta(days=1)


@pytest.fixture
async def line(owner_url: str, oauth: OAuthServices) -> AsyncIterator[asyncpg.Connection]:
    """The connection on which this worker hears of changes."""
    lines: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(owner_url)
        lines.put_nowait(connection)
        return connection

    async with watching(connect, oauth):
        yield await lines.get()
