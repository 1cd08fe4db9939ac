"""Access tokens (RFC 9068): issuing them, and knowing them again on every request."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as clock_time
from hashlib import sha256
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from joserfc import jwt

from convenor.problems import AgreementOver, Unauthenticated
from convenor.security.principal import Principal

from .keys import ALGORITHM, SigningKeys
from .signed import Unreadable, is_signed, read

LIFE_SECONDS = 300
TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 section 2.1, no secret
MAX_CACHED = 10_000
LONDON = ZoneInfo("Europe/London")


class Load(Protocol):
    """From what a token says of its client to who calls; None if the client, or the key it used, has ended."""

    async def __call__(self, client_id: str, scopes: frozenset[str], *, kid: str | None) -> Principal | None:
        """Read who calls."""


class InvalidToken(Unauthenticated):
    """The access token is not one of ours, or no longer valid: ask for a new one at /oauth/token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"WWW-Authenticate": 'Bearer realm="convenor", error="invalid_token"'})


class AgreementEnded(AgreementOver):
    """The data sharing agreement has ended, and the access with it: renew the agreement."""

    def __init__(self, reference: str, ended_on: date) -> None:
        super().__init__(
            f"The data sharing agreement {reference} ended on {ended_on:%Y-%m-%d}, and the access with it."
        )
        self.reference = reference
        self.ended_on = ended_on


def api_audience(issuer: str) -> str:
    """The `aud` of access tokens; not the issuer, so that no access token ever reads as a client assertion."""
    return f"{issuer}/v1"


def end_of(day: date) -> float:
    """The last moment of a day in Europe/London, in seconds since 1970: an agreement holds on its last day."""
    return datetime.combine(day, clock_time.max, LONDON).timestamp()


def issue_access_token(
    keys: SigningKeys, issuer: str, client_id: str, scopes: Collection[str], now: float, kid: str | None = None
) -> str:
    """A signed access token with the claims of RFC 9068 section 2.2, good for five minutes from `now`.

    `client_kid` names the client's key that the token was got with, so that the token ends with the key.
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
    """Turns an access token into its principal: proven once, then remembered by the token's hash.

    It remembers only while `watching` (see `revocation`), so that the end of a client, of its key or of its agreement
    shows on its next request: with nobody to tell of it, each request asks the database.
    """

    issuer: str
    keys: SigningKeys
    load: Load = field(repr=False)
    now: Callable[[], float] = time.time
    max_cached: int = MAX_CACHED
    watching: bool = field(default=False, init=False)
    _known: dict[bytes, tuple[Principal, float]] = field(default_factory=dict, init=False, repr=False)
    _changes: int = field(default=0, init=False, repr=False)

    async def verify(self, token: str) -> Principal:
        """Who calls with this token.

        Raises:
            InvalidToken: with the reason (RFC 6750 section 3.1, `invalid_token`).
            AgreementEnded: the token is good, the agreement is over.
        """
        # "?" is in no token that was ever remembered, so a replaced character finds nothing.
        digest = sha256(token.encode("ascii", "replace")).digest()
        known = self._known.get(digest)
        if known is not None and self.now() < known[1]:
            return known[0]
        return await self._admit(token, digest)

    def forget(self, client_id: str) -> None:
        """Forget all tokens of one client: what it may do has changed, or it has ended."""
        self._changes += 1
        self._known = {digest: known for digest, known in self._known.items() if known[0].client_id != client_id}

    def stop_watching(self) -> None:
        """Forget every token, and remember none until somebody watches again."""
        self.watching = False
        self._changes += 1
        self._known.clear()

    async def _admit(self, token: str, digest: bytes) -> Principal:
        self._known.pop(digest, None)
        claims = self._check(token)
        expires_at: float = claims["exp"]
        changes = self._changes
        scopes = frozenset(claims["scope"].split())
        principal = await self.load(claims["client_id"], scopes, kid=claims.get("client_kid"))
        if principal is None:
            raise InvalidToken("The client of this token has ended, or the key that it was got with.")
        if principal.agreement_ends_on is not None:
            end = end_of(principal.agreement_ends_on)
            if self.now() > end:
                raise AgreementEnded(principal.agreement, principal.agreement_ends_on)
            expires_at = min(expires_at, end)
        # What was loaded while a change was announced may be from before it.
        if self.watching and changes == self._changes:
            if len(self._known) >= self.max_cached:
                del self._known[next(iter(self._known))]
            self._known[digest] = (principal, expires_at)
        return principal

    def _check(self, token: str) -> dict[str, Any]:
        """Check signature and claims (RFC 9068 section 4); the claims."""
        try:
            header, claims = read(token)
        except Unreadable:
            raise InvalidToken("The access token cannot be read.") from None
        kid = header.get("kid")
        key = self.keys.by_kid.get(kid) if isinstance(kid, str) else None
        if header.get("typ") != TOKEN_TYPE or key is None or not is_signed(token, key, ALGORITHM):
            raise InvalidToken("The access token was not issued here.")
        if claims["iss"] != self.issuer or claims["aud"] != api_audience(self.issuer):
            raise InvalidToken("The access token was issued for another service.")
        if self.now() >= claims["exp"]:
            raise InvalidToken("The access token has expired.")
        return claims
