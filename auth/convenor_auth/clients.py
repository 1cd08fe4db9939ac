"""The rules by which clients and their keys begin and end. Commands call them as the owner; none commits."""

import re
import secrets
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from convenor.security.principal import Grant, Role

from .assertions import ALGORITHMS
from .models import CLIENT_ID_PATTERN, Client, ClientGrant, ClientKey, DataSharingAgreement, Organisation
from .roles import ROLES

MAX_OPEN_KEYS = 2


@dataclass(frozen=True, slots=True)
class CreatedClient:
    """A new client. `secret` is known here and never again; None for a client that signs with a key."""

    client_id: str
    secret: str | None = field(repr=False)


async def has_clients(url: str) -> bool:
    """Whether a database, which may never have been migrated, has clients. Either login may ask."""
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
    """Register a client: with its public key, or else with a new secret of 256 random bits.

    Args:
        session: the caller commits it.
        organisation: who answers for the client; stored already.
        agreement: the organisation's own data sharing agreement; stored already.
        role: what the client is.
        scopes: what it may ask for, within its role.
        grants: the records that it stands for.
        public_jwk: the public key with which it signs, with `kid` and `alg`; without one it gets a secret.
        client_id: three to 64 of `A-Za-z0-9._-`; made up from the role where none is given.
        audience_flag: whether its assertions may name the token address as `aud` (NHS England, SMART).
        note: for people.

    Raises:
        OperatorError: a scope that the role does not have, no scope, an id that is taken, or a key that does not fit.
    """
    beyond = sorted(set(scopes) - ROLES[role].scopes)
    if beyond or not scopes:
        problem = f"A {role} does not have: {' '.join(beyond)}." if beyond else "A client needs a scope."
        raise ConfigurationError(problem, f"Choose from: {' '.join(sorted(ROLES[role].scopes))}.")
    client_id = client_id or f"{role.replace('_', '-')}-{secrets.token_hex(6)}"
    if not re.fullmatch(CLIENT_ID_PATTERN, client_id) or await session.get(Client, client_id) is not None:
        raise ConfigurationError(
            "This client id is taken, or not plain.", "Choose three to 64 of A-Z a-z 0-9 . _ and -."
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
    """End a client: it gets no more tokens, and those it has end with their next request. Ending it again is nothing.

    Raises:
        OperatorError: there is no such client.
    """
    client = await _locked(session, client_id)
    client.ended_at = client.ended_at or datetime.now(UTC)
    await session.flush()


async def add_key(session: AsyncSession, client_id: str, public_jwk: Mapping[str, Any]) -> None:
    """Open a key for a client, which may have two open so that it can change from one to the next.

    Args:
        session: the caller commits it.
        client_id: whose key it is.
        public_jwk: an EC or RSA key (RSA of 2048 bits at least) with `kid` and with `alg`, one of `ALGORITHMS`.

    Raises:
        OperatorError: no such client, two keys are open, the `kid` was used before, or the key does not fit.
    """
    await _locked(session, client_id)
    jwk = _fit(public_jwk)
    keys = list(await session.scalars(select(ClientKey).where(col(ClientKey.client_id) == client_id)))
    if any(key.kid == jwk["kid"] for key in keys):
        raise ConfigurationError("The client has, or had, a key with this kid.", "Give the new key a kid of its own.")
    if sum(key.ended_at is None for key in keys) >= MAX_OPEN_KEYS:
        raise ConfigurationError("Two keys of this client are open.", "End the older one first.")
    session.add(ClientKey(client_id=client_id, kid=jwk["kid"], alg=jwk["alg"], public_jwk=jwk))
    await session.flush()


async def end_key(session: AsyncSession, client_id: str, kid: str) -> None:
    """End a key: nothing signed by it is accepted any more, nor any token got with it. Ending it again is nothing.

    Raises:
        OperatorError: the client has no such key.
    """
    await _locked(session, client_id)
    key = await session.get(ClientKey, (client_id, kid))
    if key is None:
        raise ConfigurationError("The client has no key with this kid.", "Check the kid against the client's keys.")
    key.ended_at = key.ended_at or datetime.now(UTC)
    await session.flush()


async def _locked(session: AsyncSession, client_id: str) -> Client:
    """The client, its row locked: two who open a key at once do so one after the other."""
    client = await session.get(Client, client_id, with_for_update=True)
    if client is None:
        raise ConfigurationError("There is no such client.", "Check the client id.")
    return client


def _fit(public_jwk: Mapping[str, Any]) -> dict[str, Any]:
    """The key as it is stored: public, for signatures, of a kind that its `alg` can use."""
    remedy = f"Send a public JWK with kid and alg (one of {' '.join(ALGORITHMS)})."
    kid, alg = public_jwk.get("kid"), public_jwk.get("alg")
    if not isinstance(kid, str) or not kid.isascii() or not kid.isprintable() or not 1 <= len(kid) <= 255:
        raise ConfigurationError("The key has no kid of 1 to 255 printable ASCII characters.", remedy)
    if alg not in ALGORITHMS:
        raise ConfigurationError("The key has no alg that is accepted here.", remedy)
    try:
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            key = import_key(dict(public_jwk))
        JWSRegistry(algorithms=[alg]).get_alg(alg).check_key(key)
        key.check_use("sig")
        key.check_key_op("verify")
    except SecurityWarning as weakness:
        raise ConfigurationError(f"The key is too weak. {weakness}.", "Make a stronger one; " + remedy) from None
    except (JoseError, ValueError, KeyError, TypeError) as fault:
        raise ConfigurationError("The key cannot be read, or is of another kind than its alg uses.", remedy) from fault
    if key.is_private:
        raise ConfigurationError(
            "This is a private key, which belongs to the client alone.", "Make a new one; " + remedy
        )
    assert isinstance(key, ECKey | RSAKey), "as every one of ALGORITHMS wants"
    # Written anew from the key itself: a JWK may carry more, which is of no use here and need not fit the database.
    return dict(type(key).import_key(key.as_pem(private=False), {"kid": kid, "alg": alg}).as_dict(private=False))
