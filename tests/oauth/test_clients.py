"""The rules by which clients and their keys begin and end."""

import asyncio
from collections.abc import AsyncIterator
from math import nan
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from support.clients import add_organisation
from support.oauth_clients import Register, new_key

from convenor.configuration_error import ConfigurationError
from convenor.security.principal import Role
from convenor_auth.clients import add_key, create_client, end_client, end_key
from convenor_auth.models import Client, ClientKey


def short_rsa_key() -> dict[str, Any]:
    with pytest.warns(SecurityWarning):
        return RSAKey.generate_key(1024, {"kid": "a", "alg": "RS512"}).as_dict(private=False)


@pytest.fixture
async def session(owner: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session whose work is undone after the test."""
    async with owner() as session:
        yield session


async def organisation(session: AsyncSession, reference: str) -> dict[str, Any]:
    """An organisation with its agreement, as `create_client` takes them."""
    trust, agreement = await add_organisation(session, "Wend Valley NHS Trust", kind="health", reference=reference)
    return {"organisation": trust, "agreement": agreement, "role": Role.HEALTH_SYSTEM, "scopes": {"referrals:read"}}


@pytest.mark.parametrize("scopes", [set(), {"audit:read"}, {"referrals:read", "pupils:identify"}, {"nonsense"}])
async def test_a_client_is_not_registered_for_more_than_its_role_or_for_nothing(
    session: AsyncSession, scopes: set[str]
) -> None:
    with pytest.raises(ConfigurationError, match="Choose from"):
        await create_client(session, **{**await organisation(session, "DSA-1"), "scopes": scopes})


@pytest.mark.parametrize("client_id", ["ab", "a b", "ä-school", "x" * 65, "-a-b", "a/b", "abc\n"])
async def test_an_id_that_an_encoding_would_touch_is_refused(session: AsyncSession, client_id: str) -> None:
    with pytest.raises(ConfigurationError, match="client id"):
        await create_client(session, **await organisation(session, "DSA-1"), client_id=client_id)


async def test_an_id_is_given_once(session: AsyncSession) -> None:
    facts = await organisation(session, "DSA-1")
    await create_client(session, **facts, client_id="trust-epr")
    with pytest.raises(ConfigurationError, match="in use"):
        await create_client(session, **facts, client_id="trust-epr")


async def test_a_client_does_not_call_under_another_organisations_agreement(session: AsyncSession) -> None:
    facts, other = await organisation(session, "DSA-1"), await organisation(session, "DSA-2")
    with pytest.raises(IntegrityError, match="client_agreement_is_its_organisations"):
        await create_client(session, **{**facts, "agreement": other["agreement"]})


@pytest.mark.parametrize(
    ("jwk", "problem"),
    [
        ({}, "kid"),
        (ECKey.generate_key("P-256", {"alg": "ES256"}).as_dict(), "kid"),
        (new_key("ES256", kid="\0").as_dict(), "kid"),
        (ECKey.generate_key("P-256", {"kid": "a"}).as_dict(), "alg"),
        ({**new_key("ES256").as_dict(), "alg": "RS256"}, "alg"),
        ({"kid": "a", "alg": "ES256", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "cannot be read"),
        ({"kid": "a", "alg": "ES256", "kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, "cannot be read"),
        ({"kid": "a", "alg": "ES256", "kty": "none"}, "cannot be read"),
        ({"kid": "a", "alg": "ES256", "kty": ["EC"]}, "cannot be read"),
        (ECKey.generate_key("P-384", {"kid": "a", "alg": "ES256"}).as_dict(), "another kind"),
        (OKPKey.generate_key("Ed25519", {"kid": "a", "alg": "ES256"}).as_dict(), "another kind"),
        (OctKey.generate_key(256, {"kid": "a", "alg": "ES256"}).as_dict(private=True), "another kind"),
        (new_key("ES256", use="enc").as_dict(), "another kind"),
        (new_key("ES256").as_dict(private=True), "private"),
        (
            new_key("RS512").as_dict(private=True) | {"key_ops": ["sign"], "use": "enc", "kid": None, "alg": "x"},
            "private",
        ),
        (short_rsa_key(), "2048"),
    ],
)
async def test_a_key_that_does_not_fit_is_refused(session: AsyncSession, jwk: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        await create_client(session, **await organisation(session, "DSA-1"), public_jwk=jwk)


@pytest.mark.parametrize("alg", ["ES384", "RS512"])
@pytest.mark.parametrize("more", ["\0", "\ud800", nan, 10**400, {"x5c": []}])
async def test_what_a_key_carries_beside_itself_is_not_stored(session: AsyncSession, alg: str, more: Any) -> None:
    key = new_key(alg, kid="a")
    jwk = key.as_dict(private=False)
    facts = await organisation(session, "DSA-1")
    created = await create_client(session, **facts, public_jwk={**jwk, "use": "sig", "note": more})
    stored = await session.get_one(ClientKey, (created.client_id, "a"), populate_existing=True)
    assert import_key(stored.public_jwk).thumbprint() == key.thumbprint()
    assert stored.public_jwk.keys() == jwk.keys()


async def test_a_third_key_is_refused_until_one_has_ended(session: AsyncSession) -> None:
    first, second, third = (new_key("ES256") for _ in range(3))
    created = await create_client(
        session, **await organisation(session, "DSA-1"), public_jwk=first.as_dict(private=False)
    )
    await add_key(session, created.client_id, second.as_dict(private=False))
    with pytest.raises(ConfigurationError, match="Two keys"):
        await add_key(session, created.client_id, third.as_dict(private=False))
    await end_key(session, created.client_id, first.kid)
    await add_key(session, created.client_id, third.as_dict(private=False))
    with pytest.raises(ConfigurationError, match="this kid"):
        await add_key(session, created.client_id, first.as_dict(private=False))


async def test_two_who_open_a_key_at_once_do_not_open_a_third(
    register: Register, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register(alg="ES256")
    pids: list[int] = []

    async def open_the_third() -> None:
        async with owner.begin() as session:
            pids.append(await session.scalar(text("select pg_backend_pid()")))
            await add_key(session, partner.client_id, new_key("ES256").as_dict(private=False))

    async with owner.begin() as first, owner() as watcher:
        await add_key(first, partner.client_id, new_key("ES256").as_dict(private=False))
        other = asyncio.create_task(open_the_third())
        blocked = text("select cardinality(pg_blocking_pids(:pid))")
        while not other.done() and not (pids and await watcher.scalar(blocked, {"pid": pids[0]})):  # noqa: ASYNC110
            await asyncio.sleep(0)
    with pytest.raises(ConfigurationError, match="Two keys"):
        await other


async def test_what_is_not_there_cannot_end(session: AsyncSession) -> None:
    created = await create_client(session, **await organisation(session, "DSA-1"))
    for ending in (end_client(session, "nobody"), end_key(session, created.client_id, "none")):
        with pytest.raises(ConfigurationError, match="no"):
            await ending


async def test_a_secret_is_shown_once_and_not_stored(session: AsyncSession) -> None:
    created = await create_client(session, **await organisation(session, "DSA-1"))
    client = await session.get_one(Client, created.client_id)
    assert len(created.secret) == 43
    assert client.client_id.startswith("health-system-")
    assert created.secret.encode() not in client.secret_hash


async def test_a_client_ends_once(session: AsyncSession) -> None:
    created = await create_client(session, **await organisation(session, "DSA-1"))
    await end_client(session, created.client_id)
    client = await session.get_one(Client, created.client_id)
    ended_at = client.ended_at
    await end_client(session, created.client_id)
    assert client.ended_at == ended_at
