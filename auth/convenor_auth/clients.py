"""Create and end clients and their keys. Commands call these rules with the owner's login, and commit."""

import re
import secrets
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import asyncpg
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey, import_key
from joserfc.jws import JWSRegistry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.configuration_error import ConfigurationError
from convenor.domain_types.dates import now
from convenor.security.principal import Grant, Role
from convenor_auth.assertions import ALGORITHMS, is_printable
from convenor_auth.models import CLIENT_ID_PATTERN, Client, ClientGrant, ClientKey, DataSharingAgreement, Organisation
from convenor_auth.roles import ROLES

MAX_OPEN_KEYS = 2


@dataclass(frozen=True, slots=True)
class CreatedClient:
    """A new client. `secret` is stored nowhere; None for a client that signs with a key."""

    client_id: str
    secret: str | None = field(repr=False)


async def has_clients(url: str) -> bool:
    """Check whether a database has clients, even if it was never migrated. Both logins may read it."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("select to_regclass('public.client')") is None:
            return False
        return bool(await connection.fetchval("select exists (select from client)"))
    finally:
        await connection.close()


async def create_client(
    session: AsyncSession,
    *,
    organisation: Organisation,
    agreement: DataSharingAgreement,
    role: Role,
    scopes: Collection[str],
    grants: Sequence[Grant] = (),
    public_jwk: Mapping[str, Any] | None = None,
    client_id: str | None = None,
    audience_flag: bool = False,
    note: str = "",
) -> CreatedClient:
    """Register a client with its public key, or else with a new secret of 256 random bits.

    Args:
        session: the caller commits it.
        organisation: the stored organisation that is responsible for the client.
        agreement: the organisation's stored data sharing agreement.
        role: the client's role.
        scopes: the scopes that it may request, within its role.
        grants: the records that it acts for.
        public_jwk: the client's public key, with `kid` and `alg`; None for a client with a secret.
        client_id: three to 64 of `A-Za-z0-9._-`; by default one with the role's name.
        audience_flag: whether its assertions may name the token address as `aud` (NHS England, SMART).
        note: a note for operators.

    Raises:
        ConfigurationError: no scope, a scope beyond the role, an id that is in use, or an unsuitable key.
    """
    excess = sorted(set(scopes) - ROLES[role].scopes)
    if excess or not scopes:
        listed = ", ".join(f'"{scope}"' for scope in excess)
        problem = f"The role {role} may not have these scopes: {listed}." if excess else "A client needs a scope."
        raise ConfigurationError(problem, f"Choose from: {' '.join(sorted(ROLES[role].scopes))}.")
    client_id = client_id or f"{role.replace('_', '-')}-{secrets.token_hex(6)}"
    if not re.fullmatch(CLIENT_ID_PATTERN, client_id) or await session.get(Client, client_id) is not None:
        raise ConfigurationError(
            "This client id is in use, or has other characters than allowed.",
            "Choose three to 64 of A-Z a-z 0-9 . _ and -.",
        )
    secret = secrets.token_urlsafe(32) if public_jwk is None else None
    client = Client(
        client_id=client_id,
        organisation_id=organisation.id,
        agreement_id=agreement.id,
        role=role.value,
        scopes=sorted(set(scopes)),
        secret_hash=None if secret is None else sha256(secret.encode()).digest(),
        audience_flag=audience_flag,
        note=note,
    )
    session.add(client)
    await session.flush()
    session.add_all(
        ClientGrant(client_id=client.client_id, kind=grant.kind, area_id=grant.area_id, key=grant.key)
        for grant in grants
    )
    if public_jwk is not None:
        await add_key(session, client.client_id, public_jwk)
    await session.flush()
    return CreatedClient(client.client_id, secret)


async def end_client(session: AsyncSession, client_id: str) -> None:
    """End a client, whose tokens then fail on their next request. Ending it again has no effect.

    Raises:
        ConfigurationError: there is no such client.
    """
    client = await _get_for_update(session, client_id)
    client.ended_at = client.ended_at or now()
    await session.flush()


async def add_key(session: AsyncSession, client_id: str, public_jwk: Mapping[str, Any]) -> None:
    """Open a key for a client. Two may be open, so that the client can change from one to the next.

    Args:
        session: the caller commits it.
        client_id: the client.
        public_jwk: an EC or RSA key (RSA of 2048 bits at least) with `kid` and with `alg`, one of `ALGORITHMS`.

    Raises:
        ConfigurationError: no such client, two open keys, a `kid` that was used before, or an unsuitable key.
    """
    await _get_for_update(session, client_id)
    jwk = _validated(public_jwk)
    keys = list(await session.scalars(select(ClientKey).where(col(ClientKey.client_id) == client_id)))
    if any(key.kid == jwk["kid"] for key in keys):
        raise ConfigurationError("The client has, or had, a key with this kid.", "Give the new key a kid of its own.")
    if sum(key.ended_at is None for key in keys) >= MAX_OPEN_KEYS:
        raise ConfigurationError("Two keys of this client are open.", "End the older one first.")
    session.add(ClientKey(client_id=client_id, kid=jwk["kid"], alg=jwk["alg"], public_jwk=jwk))
    await session.flush()


async def end_key(session: AsyncSession, client_id: str, kid: str) -> None:
    """End a key, together with the tokens that were issued for it. Ending it again has no effect.

    Raises:
        ConfigurationError: the client has no such key.
    """
    await _get_for_update(session, client_id)
    key = await session.get(ClientKey, (client_id, kid))
    if key is None:
        raise ConfigurationError("The client has no key with this kid.", "Check the kid against the client's keys.")
    key.ended_at = key.ended_at or now()
    await session.flush()


async def _get_for_update(session: AsyncSession, client_id: str) -> Client:
    """Load a client and lock its row, so that two calls cannot both open a key."""
    client = await session.get(Client, client_id, with_for_update=True)
    if client is None:
        raise ConfigurationError("There is no such client.", "Check the client id.")
    return client


def _validated(public_jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Check that a key is public, for signatures and of the kind that its `alg` uses; return what to store."""
    remedy = f"Send a public JWK with kid and alg (one of {' '.join(ALGORITHMS)})."
    # First of all: whatever else is wrong with it, a private key that was sent is not to be used any more.
    if "d" in public_jwk:
        raise ConfigurationError(
            "This is a private key, which belongs to the client alone.",
            f"Make a new pair, since this one has left its owner. {remedy}",
        )
    kid, alg = public_jwk.get("kid"), public_jwk.get("alg")
    if not is_printable(kid):
        raise ConfigurationError("The key has no kid of 1 to 255 printable ASCII characters.", remedy)
    if alg not in ALGORITHMS:
        raise ConfigurationError("The key's alg is missing or not supported.", remedy)
    try:
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            key = import_key(dict(public_jwk))
        JWSRegistry(algorithms=[alg]).get_alg(alg).check_key(key)
        key.check_use("sig")
        key.check_key_op("verify")
    except SecurityWarning as weakness:
        raise ConfigurationError(f"The key is too weak. {weakness}.", f"Make a stronger one. {remedy}") from None
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("The key cannot be read, or is of another kind than its alg uses.", remedy) from error
    assert isinstance(key, ECKey | RSAKey), "every algorithm in ALGORITHMS uses one of these"
    # Serialised again from the key, because a JWK can hold further members that the database may reject.
    return dict(type(key).import_key(key.as_pem(private=False), {"kid": kid, "alg": alg}).as_dict(private=False))
