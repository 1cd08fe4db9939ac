"""The token endpoint's decisions: Authlib's authorization server inside the caller's transaction. It knows no HTTP."""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750.token import BearerTokenGenerator
from joserfc.jwk import Key, import_key
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlmodel import col

from convenor.security.principal import Role

from .assertions import ASSERTION_TYPE, Assertion, AssertionRefused, Proof
from .keys import SigningKeys
from .models import CLIENT_ID_PATTERN, Client, ClientGrant, ClientKey, DataSharingAgreement, SpentAssertion
from .roles import ROLES
from .tokens import LIFE_SECONDS, LONDON, issue_access_token

GRANT_TYPE = "client_credentials"

_session: ContextVar[Session] = ContextVar("convenor_auth_session")
"""Authlib hands no session through; this one is set for the length of one synchronous call, inside `run_sync`."""
_NO_SECRET = bytes(32)
_FORGET_AFTER_SECONDS = 60
"""How long an expired assertion is still remembered, should another machine's clock be behind this one's."""


class ClientRefusedError(InvalidClientError):  # type: ignore[misc]
    """The client did not prove who it is, or may no longer come in: 401 (RFC 6749 section 5.2)."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        """The headers of the refusal, with the challenge in the shape of RFC 7617 section 2."""
        headers = [header for header in super().get_headers() if header[0] != "WWW-Authenticate"]
        return [*headers, ("WWW-Authenticate", 'Basic realm="convenor", charset="UTF-8"')]


class OtherGrantTypeError(UnsupportedGrantTypeError):  # type: ignore[misc]
    """A grant type that is not served. Authlib's own error would repeat what was sent."""

    description = f"The only grant_type here is {GRANT_TYPE}."


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A request for a token as Authlib wants it: the form, each parameter once, and the Authorization header."""

    def __init__(self, token_url: str, form: Mapping[str, str], authorization: str | None) -> None:
        # The address is the one that clients know: TLS ends at a proxy, and Authlib refuses plain http.
        super().__init__("POST", token_url, headers={} if authorization is None else {"Authorization": authorization})
        self.payload = BasicOAuth2Payload(dict(form))
        self.client: Caller | None = None
        """The client once it has proved who it is, whatever is decided after that."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of the token endpoint, whatever carries it."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that proved who it is; what Authlib calls a client."""

    client_id: str
    organisation_id: UUID
    role: Role
    scopes: frozenset[str]
    """What it may ask for: its registration, within its role."""
    areas: tuple[UUID, ...]
    kid: str | None
    """The key that it proved itself with; None for a secret."""

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use a grant type (asked by Authlib): there is but one."""
        return grant_type == GRANT_TYPE

    def get_allowed_scope(self, asked: str | None) -> str:
        """The scopes granted: those asked for that it may have, in alphabetical order (asked by Authlib).

        Raises:
            InvalidScopeError: nothing was asked for by name, or nothing of it can be granted; it names what can be.
        """
        granted = self.scopes.intersection((asked or "").split())
        if granted:
            return " ".join(sorted(granted))
        fault = "None of these scopes can be granted" if asked else "Name the scopes you need in the parameter scope"
        raise InvalidScopeError(description=f"{fault}. This client may ask for: {' '.join(sorted(self.scopes))}")


class TokenServer(AuthorizationServer):  # type: ignore[misc]
    """Answers requests for tokens. One instance serves all requests of a process."""

    def __init__(self, issuer: str, token_url: str, keys: SigningKeys, now: Callable[[], float]) -> None:
        super().__init__()
        self._issuer = issuer
        self._token_url = token_url
        self._keys = keys
        self._now = now
        self.register_grant(ClientCredentialsGrant)
        self.register_token_generator("default", BearerTokenGenerator(self._sign, expires_generator=LIFE_SECONDS))

    def answer(self, session: Session, request: TokenRequest) -> TokenAnswer:
        """Decide one request, to be run by `AsyncSession.run_sync`.

        The caller commits, **after a refusal too**: an assertion that was shown once stays spent.
        """
        reset = _session.set(session)
        try:
            answer: TokenAnswer = self.create_token_response(request)
        finally:
            _session.reset(reset)
        return answer

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """Give Authlib the request, which is in its own shape already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], headers: list[tuple[str, str]]) -> TokenAnswer:
        """Take the answer from Authlib."""
        return TokenAnswer(status, body, {name: value for name, value in headers if name != "Content-Type"})

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens to Authlib's signals."""

    def save_token(self, token: Mapping[str, Any], request: TokenRequest) -> None:
        """Access tokens are signed and short-lived; none is stored."""

    def get_token_grant(self, request: TokenRequest) -> Any:
        """The grant for this request (asked by Authlib)."""
        if request.payload.grant_type != GRANT_TYPE:
            raise OtherGrantTypeError(request.payload.grant_type)
        return super().get_token_grant(request)

    def authenticate_client(self, request: TokenRequest, methods: object, endpoint: str = "token") -> Caller:
        """Who is asking, proven (RFC 6749 section 2.3).

        Raises:
            ClientRefusedError: not proven, or the client or its agreement has ended.
            InvalidRequestError: more than one proof, or one that is no client assertion.
        """
        form = request.payload.data
        credentials, assertion = request.headers.get("Authorization"), form.get("client_assertion")
        if credentials is not None and assertion is not None:
            raise InvalidRequestError("Send HTTP Basic or a client_assertion, not both.")
        if credentials is not None:
            client = self._prove_by_secret(credentials)
            request.client = self._caller(client, None)
        elif assertion is not None:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise InvalidRequestError(f"client_assertion_type must be {ASSERTION_TYPE}.")
            client, proof = self._prove_by_assertion(assertion)
            request.client = self._caller(client, proof.kid)
            self._spend(client.client_id, proof)
        else:
            raise ClientRefusedError("Authenticate by HTTP Basic, or by client_assertion and client_assertion_type.")
        if form.get("client_id", client.client_id) != client.client_id:
            raise ClientRefusedError("client_id is not the client that authenticated.")
        self._check_admission(client)
        return request.client

    def query_client(self, client_id: str) -> Client | None:
        """The client of this id, ended or not."""
        return _session.get().get(Client, client_id) if re.fullmatch(CLIENT_ID_PATTERN, client_id) else None

    def _prove_by_secret(self, credentials: str) -> Client:
        """HTTP Basic, id and secret percent-encoded (RFC 6749 section 2.3.1)."""
        scheme, _, encoded = credentials.partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
            client_id, secret = unquote(user, errors="strict"), unquote(password, errors="strict")
        except ValueError:
            colon = ""
        if scheme.lower() != "basic" or not colon:
            raise ClientRefusedError("The Authorization header must be Basic and base64 of client_id:client_secret.")
        client = self.query_client(client_id)
        expected = (client and client.secret_hash) or _NO_SECRET
        # Compared for an unknown client too, so that the time taken does not tell which ids exist.
        matches = hmac.compare_digest(sha256(secret.encode()).digest(), expected)
        if client is None or client.secret_hash is None or not matches:
            raise ClientRefusedError("No such client with this secret.")
        return client

    def _prove_by_assertion(self, token: str) -> tuple[Client, Proof]:
        """private_key_jwt (RFC 7523 section 2.2)."""
        try:
            assertion = Assertion.parse(token)
            client = self.query_client(assertion.client_id)
            audiences = [self._issuer]
            keys: dict[str, Key] = {}
            if client is not None:
                audiences += [self._token_url] if client.audience_flag else []
                keys = _open_keys(client.client_id)
            proof = assertion.prove(keys, audiences, self._now())
        except AssertionRefused as refusal:
            raise ClientRefusedError(str(refusal)) from None
        if client is None:  # pragma: no cover - without keys there is no proof
            raise ClientRefusedError("No such client.")
        return client, proof

    def _spend(self, client_id: str, proof: Proof) -> None:
        """Spend an assertion. Of two that arrive together the second waits for the first's commit, and finds it."""
        session = _session.get()
        spent = session.execute(
            insert(SpentAssertion)
            .values(client_id=client_id, jti=proof.jti, expires_at=datetime.fromtimestamp(proof.expires_at, UTC))
            .on_conflict_do_nothing()
            .returning(col(SpentAssertion.jti))
        )
        if spent.first() is None:
            raise ClientRefusedError("This client_assertion was used before: sign a new one with its own jti.")
        session.execute(
            delete(SpentAssertion).where(
                col(SpentAssertion.client_id) == client_id,
                col(SpentAssertion.expires_at) < datetime.fromtimestamp(self._now() - _FORGET_AFTER_SECONDS, UTC),
            )
        )

    def _check_admission(self, client: Client) -> None:
        """Refuse a client that proved itself, but has ended, or has no agreement in force."""
        if client.ended_at is not None:
            raise ClientRefusedError("This client has ended: ask the operator for a new one.")
        agreement = _session.get().get_one(DataSharingAgreement, client.agreement_id)
        today: date = datetime.fromtimestamp(self._now(), LONDON).date()
        named = f"The data sharing agreement {_plain(agreement.reference)}"
        if today < agreement.starts_on:
            raise ClientRefusedError(f"{named} begins on {agreement.starts_on:%Y-%m-%d}.")
        if agreement.ends_on is not None and today > agreement.ends_on:
            raise ClientRefusedError(f"{named} ended on {agreement.ends_on:%Y-%m-%d}: renew it, and access returns.")

    def _caller(self, client: Client, kid: str | None) -> Caller:
        role = Role(client.role)
        areas = _session.get().scalars(
            select(col(ClientGrant.area_id))
            .where(col(ClientGrant.client_id) == client.client_id)
            .distinct()
            .order_by(col(ClientGrant.area_id))
        )
        scopes = ROLES[role].scopes.intersection(client.scopes)
        return Caller(client.client_id, client.organisation_id, role, scopes, tuple(areas), kid)

    def _sign(self, *, client: Caller, grant_type: str, user: None, scope: str) -> str:
        return issue_access_token(self._keys, self._issuer, client.client_id, scope.split(), self._now(), client.kid)


def _open_keys(client_id: str) -> dict[str, Key]:
    rows = _session.get().scalars(
        select(ClientKey).where(col(ClientKey.client_id) == client_id, col(ClientKey.ended_at).is_(None))
    )
    return {row.kid: import_key({**row.public_jwk, "kid": row.kid, "alg": row.alg}) for row in rows}


def _plain(text: str) -> str:
    """The text without what an error_description must not hold (RFC 6749 section 5.2)."""
    return re.sub(r'[^\x20-\x7e]|["\\]', "?", text)
