"""Issue access tokens (RFC 9068), and verify them on every request."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Protocol

from joserfc import jwt

from convenor.domain_types.dates import end_of
from convenor.problems import AgreementOver, Unauthenticated
from convenor.security.principal import Principal
from convenor_auth.keys import ALGORITHM, SigningKeys
from convenor_auth.signed import Unreadable, is_signed, read

LIFE_SECONDS = 300
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1, no secret
MAX_CACHED = 10_000


class Load(Protocol):
    """Load the principal of a token; None if the client, or the key it used, has ended."""

    async def __call__(self, client_id: str, scopes: frozenset[str], *, kid: str | None) -> Principal | None:
        """Load the principal."""


class InvalidToken(Unauthenticated):
    """The access token is not valid: request a new one at /oauth/token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"WWW-Authenticate": 'Bearer realm="convenor", error="invalid_token"'})


class AgreementEnded(AgreementOver):
    """The data sharing agreement has ended: renew it to restore access."""

    def __init__(self, reference: str, ended_on: date) -> None:
        super().__init__(f"The data sharing agreement {reference} ended on {ended_on:%Y-%m-%d}, and access with it.")


def api_audience(issuer: str) -> str:
    """Return the `aud` of access tokens. It is not the issuer, so that no access token passes as a client assertion."""
    return f"{issuer}/v1"


def issue_access_token(
    keys: SigningKeys, issuer: str, client_id: str, scopes: Collection[str], now: float, kid: str | None = None
) -> str:
    """Sign an access token with the claims of RFC 9068 section 2.2, valid for five minutes from `now`.

    `client_kid` names the client's key, so that the token ends together with the key.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": api_audience(issuer),
        "sub": client_id,
        "client_id": client_id,
        "scope": " ".join(sorted(scopes)),
        "jti": secrets.token_urlsafe(16),
        "iat": int(now),
        "exp": int(now) + LIFE_SECONDS,
    }
    if kid is not None:
        claims["client_kid"] = kid
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": keys.signing.kid}
    return jwt.encode(header, claims, keys.signing, algorithms=[ALGORITHM])


@dataclass(slots=True)
class TokenVerifier:
    """Verify access tokens, and cache the principal by the token's hash.

    Cache only while `watching` (see `revocation`), so that the end of a client, of its key or of its agreement takes
    effect on the next request.
    """

    issuer: str
    keys: SigningKeys
    load: Load = field(repr=False)
    now: Callable[[], float] = time.time
    max_cached: int = MAX_CACHED
    watching: bool = field(default=False, init=False)
    _cached: dict[bytes, tuple[Principal, float]] = field(default_factory=dict, init=False, repr=False)
    _changes: int = field(default=0, init=False, repr=False)

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            InvalidToken: with the reason (RFC 6750 section 3.1, `invalid_token`).
            AgreementEnded: the token is valid, but the agreement has ended.
        """
        # No cached token contains "?", so a replaced character finds nothing.
        digest = sha256(token.encode("ascii", "replace")).digest()
        cached = self._cached.get(digest)
        if cached is not None and self.now() < cached[1]:
            return cached[0]
        return await self._admit(token, digest)

    def forget(self, client_id: str) -> None:
        """Drop the cached tokens of a client that has changed or ended."""
        self._changes += 1
        self._cached = {digest: cached for digest, cached in self._cached.items() if cached[0].client_id != client_id}

    def start_watching(self) -> None:
        """Cache tokens from now on, but not what is being loaded: it may have changed before anyone listened."""
        self._changes += 1
        self.watching = True

    def stop_watching(self) -> None:
        """Drop every cached token, and cache none until `start_watching`."""
        self.watching = False
        self._changes += 1
        self._cached.clear()

    async def _admit(self, token: str, digest: bytes) -> Principal:
        self._cached.pop(digest, None)
        claims = self._check(token)
        expires_at: float = claims["exp"]
        changes = self._changes
        scopes = frozenset(claims["scope"].split())
        principal = await self.load(claims["client_id"], scopes, kid=claims.get("client_kid"))
        if principal is None:
            raise InvalidToken(
                "The client of this token has ended, or the client's key has, or the database holds a demo."
            )
        if principal.agreement_ends_on is not None:
            end = end_of(principal.agreement_ends_on).timestamp()
            if self.now() > end:
                raise AgreementEnded(principal.agreement, principal.agreement_ends_on)
            expires_at = min(expires_at, end)
        # A change during the load may not be in what was loaded.
        if self.watching and changes == self._changes:
            if len(self._cached) >= self.max_cached:
                del self._cached[next(iter(self._cached))]
            self._cached[digest] = (principal, expires_at)
        return principal

    def _check(self, token: str) -> dict[str, Any]:
        """Verify signature and claims (RFC 9068 section 4), and return the claims."""
        try:
            header, claims = read(token)
        except Unreadable:
            raise InvalidToken("The access token cannot be read.") from None
        kid = header.get("kid")
        key = self.keys.by_kid.get(kid) if isinstance(kid, str) else None
        if header.get("typ") != TOKEN_TYPE or key is None or not is_signed(token, key, ALGORITHM):
            raise InvalidToken("The access token was not issued by this service.")
        if claims["iss"] != self.issuer or claims["aud"] != api_audience(self.issuer):
            raise InvalidToken("The access token was issued for another service.")
        if self.now() >= claims["exp"]:
            raise InvalidToken("The access token has expired.")
        return claims
