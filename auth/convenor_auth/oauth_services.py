"""Assemble the OAuth services of one process, for its routes and its token verification."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from authlib.common.security import is_secure_transport
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from convenor.configuration_error import ConfigurationError
from convenor_auth.keys import SigningKeys, load_secret_keys, load_signing_keys
from convenor_auth.metadata import TOKEN_PATH
from convenor_auth.principals import Connection, load_principal
from convenor_auth.server import TokenAnswer, TokenRequest, TokenServer
from convenor_auth.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class OAuthServices:
    """The keys, the token server and the token verifier."""

    issuer: str
    keys: SigningKeys
    sessions: async_sessionmaker[AsyncSession]
    server: TokenServer
    verifier: TokenVerifier

    @property
    def token_url(self) -> str:
        """Return the address of the token endpoint, as clients know it."""
        return self.issuer + TOKEN_PATH

    async def answer(self, request: TokenRequest) -> TokenAnswer:
        """Decide a token request in one transaction, which commits after a refusal too."""
        async with self.sessions.begin() as session:
            return await session.run_sync(self.server.answer, request)


def assert_secure(issuer: str) -> None:
    """Check that nobody between a client and this service can read the tokens.

    Raises:
        ConfigurationError: the issuer is plain http beyond this machine (RFC 8414 section 2).
    """
    if not is_secure_transport(issuer):
        raise ConfigurationError(
            f"The public address {issuer} is plain http beyond this machine, so that others could read the tokens.",
            "Set CONVENOR_PUBLIC_URL to the https address that clients use, or to http on 127.0.0.1 or localhost.",
        )


def open_oauth_services(
    issuer: str,
    data_dir: Path,
    sessions: async_sessionmaker[AsyncSession],
    pool: Connection,
    now: Callable[[], float] = time.time,
    *,
    local: bool = False,
) -> OAuthServices:
    """Assemble the services.

    Args:
        issuer: the address under which clients know this service.
        data_dir: the folder with the server's own keys.
        sessions: sessions with the application's login.
        pool: an asyncpg pool, to read principals.
        now: the clock, in seconds since 1970.
        local: whether only this machine can call, so that a demo's clients may.

    Raises:
        ConfigurationError: the issuer is not secure, or keys are unusable.
    """
    assert_secure(issuer)
    issuer = issuer.rstrip("/")
    keys = load_signing_keys(data_dir)
    load = partial(load_principal, pool, keys=load_secret_keys(data_dir), local=local)
    server = TokenServer(issuer, issuer + TOKEN_PATH, keys, now, local=local)
    return OAuthServices(issuer, keys, sessions, server, TokenVerifier(issuer, keys, load, now))
