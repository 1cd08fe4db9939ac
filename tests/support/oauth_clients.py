"""Partners' systems as the tests play them: they hold a secret or a private key, and ask for tokens."""

import base64
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

from convenor_auth.assertions import ALGORITHMS, ASSERTION_TYPE

ISSUER = "https://convenor.example"
TOKEN_URL = f"{ISSUER}/oauth/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def new_key(alg: str, **parameters: str) -> Key:
    named = {"alg": alg, "kid": uuid4().hex, **parameters}
    if alg.startswith("ES"):
        return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384"}[alg], named)
    return RSAKey.generate_key(2048, named)


def sign(key: Key, header: Mapping[str, Any], payload: str | Mapping[str, Any]) -> str:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    return jws.serialize_compact(dict(header), text, key, registry=registry)


def sign_by_public_key(key: Key, header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """Sign with HS256 and a public key as the shared secret: joserfc is too careful to make one."""
    signed = f"{segment({**header, 'alg': 'HS256', 'kid': key.kid})}.{segment(payload)}"
    mac = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def segment(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@dataclass
class Partner:
    """One registered client, with what it needs to prove itself."""

    http: httpx2.AsyncClient
    client_id: str
    clock: Clock
    secret: str | None = None
    key: Key | None = None
    scope: str = field(default="referrals:read")

    async def ask(self, headers: Mapping[str, str] | None = None, **form: str) -> httpx2.Response:
        """Ask for a token by HTTP Basic; a parameter given as "" is sent without a value."""
        sent = {"grant_type": "client_credentials", "scope": self.scope, **form}
        proof = basic(self.client_id, self.secret or "") if headers is None else headers
        return await self.http.post("/oauth/token", content=urlencode(sent), headers={**FORM, **proof})

    async def present(self, assertion: str, **form: str) -> httpx2.Response:
        """Ask for a token by a client assertion."""
        return await self.ask({}, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, **form)

    def assertion(self, *, key: Key | None = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a good assertion, but for what the test changes; a claim or header given as None is left out."""
        signer = key or self.key
        heading = {"typ": "JWT", "alg": self.key.alg, "kid": self.key.kid, **(header or {})}
        return sign(signer, _kept(heading), _kept(self.claims(**claims)))

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Return the claims of a good assertion, but for what is given."""
        exp = int(self.clock.now) + 240
        usual = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "exp": exp, "jti": uuid4().hex}
        return {**usual, **claims}


Register = Callable[..., Awaitable[Partner]]
"""The fixture `register`."""

BASIC = 'Basic realm="convenor", charset="UTF-8"'


def refused(answer: httpx2.Response, status: int, error: str) -> str:
    """Return the description of a refusal which is in every way as RFC 6749 section 5.2 has it."""
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("www-authenticate") == (BASIC if status == 401 else None)
    description = answer.json()["error_description"]
    assert all(" " <= character <= "~" and character not in '"\\' for character in description)
    return str(description)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
