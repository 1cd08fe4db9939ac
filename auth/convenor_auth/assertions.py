"""Verify client assertions (private_key_jwt), by which a client proves that it holds its registered key."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from joserfc.errors import ClaimError
from joserfc.jwk import Key
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

from convenor_auth.refusals import Refusal
from convenor_auth.signed import Unreadable, is_signed, read

ALGORITHMS = ("ES256", "ES384", "PS256", "RS384", "RS512")
"""FAPI 2.0 (ES256, PS256), SMART Backend Services (ES384, RS384), NHS England (RS512)."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFE_SECONDS = 300
SKEW_SECONDS = 10
"""How far a client's clock may be ahead. A clock that is behind shortens the assertion's five minutes."""

_TYPES = {None, "jwt", "client-authentication+jwt"}
"""RFC 7519 section 5.1 makes `typ` optional. Any other type is a token for another purpose."""
_CLAIMS = ("iss", "sub", "aud", "exp", "jti", "iat", "nbf")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")


class AssertionRefused(Refusal):
    """The assertion is invalid; the message says why, and repeats nothing of the request."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the server stores of an accepted assertion: the key that signed it, and its id."""

    kid: str
    jti: str
    expires_at: int | float
    """Seconds since 1970 after which the assertion is expired."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as sent; `client_id` is unverified until `prove`."""

    token: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    client_id: str

    @classmethod
    def parse(cls, token: str) -> "Assertion":
        """Parse an assertion without verifying it.

        Raises:
            AssertionRefused: it is not a JWT, or its `sub` is not a client id.
        """
        try:
            header, claims = read(token)
        except Unreadable as error:
            raise AssertionRefused(f"client_assertion cannot be read. {error}") from None
        client_id = claims.get("sub")
        if not is_printable(client_id):
            raise AssertionRefused("The claim sub must be the client_id.")
        return cls(token, header, claims, client_id)

    def prove(self, keys: Mapping[str, Key], audiences: Collection[str], now: float) -> Proof:
        """Verify the signature, then the claims (RFC 7523 section 3).

        Args:
            keys: the client's open public keys by `kid`, each with its `alg`; empty for an unknown client, so that the
                answer is the same as for a wrong key.
            audiences: the values of `aud` that this client may use.
            now: seconds since 1970.

        Raises:
            AssertionRefused: with the first error.
        """
        kind = self.header.get("typ")
        if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
            raise AssertionRefused("The header typ must be JWT, client-authentication+jwt, or absent.")
        if self.header.get("alg") not in ALGORITHMS:
            raise AssertionRefused(f"The header alg must be one of {' '.join(ALGORITHMS)}.")
        kid = self.header.get("kid")
        if not is_printable(kid):
            raise AssertionRefused("The header kid is required: it names the registered key that signed.")
        key = keys.get(kid)
        if key is None or key.alg is None or not is_signed(self.token, key, key.alg):
            raise AssertionRefused("No open key of this client, named by kid and used with its own alg, signed this.")
        return self._check_claims(kid, audiences, now)

    def _check_claims(self, kid: str, audiences: Collection[str], now: float) -> Proof:
        required: ClaimsOption = {"essential": True}
        registry = JWTClaimsRegistry(
            now=int(now), leeway=SKEW_SECONDS, iss=required, sub=required, aud=required, exp=required, jti=required
        )
        claims = {name: self.claims[name] for name in _CLAIMS if name in self.claims}
        try:
            registry.validate(claims)
        except ClaimError as error:
            raise AssertionRefused(
                f"The claim {error.claim} is missing, not valid at this time or malformed."
            ) from None
        if claims["iss"] != self.client_id:
            raise AssertionRefused("The claims iss and sub must both be the client_id.")
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        # With more than one audience, another server in the list could replay the assertion here.
        if len(audience) != 1 or audience[0] not in audiences:
            raise AssertionRefused(f"The claim aud must be {' or '.join(audiences)}, alone.")
        if claims["exp"] <= now:
            raise AssertionRefused("The assertion has expired: check the claim exp and your clock.")
        if claims["exp"] > now + MAX_LIFE_SECONDS + SKEW_SECONDS:
            raise AssertionRefused("The claim exp is more than 5 minutes ahead.")
        if not is_printable(claims["jti"]):
            raise AssertionRefused("The claim jti must be 1 to 255 printable ASCII characters.")
        return Proof(kid, claims["jti"], claims["exp"])


def is_printable(value: object) -> TypeGuard[str]:
    """Check for 1 to 255 printable ASCII characters.

    JSON can hold NUL, which PostgreSQL rejects, and lone surrogates.
    """
    return isinstance(value, str) and _PRINTABLE.fullmatch(value) is not None
