"""The door of one process: what its routes and its token check need, put together once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from authlib.common.security import is_secure_transport
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from convenor.configuration_error import ConfigurationError

from .keys import SigningKeys, load_pseudonym_secret, load_signing_keys
from .metadata import TOKEN_PATH
from .principals import Connection, load_principal
from .server import TokenAnswer, TokenRequest, TokenServer
from .tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class OAuthServices:
    """Who comes in, and with what. The routes find it in `app.state.door`."""

    issuer: str
    keys: SigningKeys
    sessions: async_sessionmaker[AsyncSession]
    server: TokenServer
    verifier: TokenVerifier

    @property
    def token_url(self) -> str:
        """The address of the token endpoint, as clients know it."""
        return self.issuer + TOKEN_PATH

    async def answer(self, request: TokenRequest) -> TokenAnswer:
        """Decide a request for a token in one transaction, which is committed when it is refused too."""
        async with self.sessions.begin() as session:
            return await session.run_sync(self.server.answer, request)


def open_oauth_services(
    issuer: str,
    data_dir: Path,
    sessions: async_sessionmaker[AsyncSession],
    pool: Connection,
    now: Callable[[], float] = time.time,
) -> OAuthServices:
    """Put a door together; the keys are made in `data_dir` where there are none.

    Args:
        issuer: the address under which clients know this service, without a slash at the end.
        data_dir: where the server's own keys are kept.
        sessions: of the application's role.
        pool: asyncpg, from which principals are read.
        now: the clock, in seconds since 1970.

    Raises:
        OperatorError: an issuer of plain http beyond this machine (RFC 8414 section 2), or damaged keys.
    """
    if not is_secure_transport(issuer):
        raise ConfigurationError(
            f"The public address {issuer} is plain http beyond this machine, where tokens could be read on their way.",
            "Set CONVENOR_PUBLIC_URL to the https address that clients use, or to http on 127.0.0.1 or localhost.",
        )
    issuer = issuer.rstrip("/")
    keys = load_signing_keys(data_dir)
    load = partial(load_principal, pool, pseudonym_secret=load_pseudonym_secret(data_dir))
    server = TokenServer(issuer, issuer + TOKEN_PATH, keys, now)
    return OAuthServices(issuer, keys, sessions, server, TokenVerifier(issuer, keys, load, now))
