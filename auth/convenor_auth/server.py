"""Decide token requests with Authlib's authorization server, inside the caller's transaction."""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
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

from convenor.database.demo_mark import DemoMark
from convenor.domain_types.dates import london_date
from convenor.security.principal import Role
from convenor_auth.assertions import ASSERTION_TYPE, Assertion, AssertionRefused, Proof
from convenor_auth.keys import SigningKeys
from convenor_auth.models import CLIENT_ID_PATTERN, Client, ClientGrant, ClientKey, DataSharingAgreement, SpentAssertion
from convenor_auth.roles import ROLES, SCOPES
from convenor_auth.tokens import LIFE_SECONDS, issue_access_token

GRANT_TYPE = "client_credentials"

_session: ContextVar[Session] = ContextVar("convenor_auth_session")
"""Authlib does not pass a session to its hooks. This one is set during one synchronous call, inside `run_sync`."""
_NO_SECRET = bytes(32)
_PURGE_AFTER_SECONDS = 60
"""How long an expired assertion stays stored, in case the clock of another machine is behind."""


class ClientRefusedError(InvalidClientError):  # type: ignore[misc]
    """The client is not authenticated, or has ended: 401 (RFC 6749 section 5.2)."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the refusal, with the challenge of RFC 7617 section 2."""
        headers = [header for header in super().get_headers() if header[0] != "WWW-Authenticate"]
        return [*headers, ("WWW-Authenticate", 'Basic realm="convenor", charset="UTF-8"')]


class OtherGrantTypeError(UnsupportedGrantTypeError):  # type: ignore[misc]
    """A grant type that is not supported. Authlib's own message would repeat the request's value."""

    description = f"The only supported grant_type is {GRANT_TYPE}."


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A token request as Authlib expects it: the form and the Authorization header."""

    def __init__(self, token_url: str, form: Mapping[str, str], authorization: str | None) -> None:
        # The public address, because TLS can end at a proxy and Authlib refuses plain http.
        super().__init__("POST", token_url, headers={} if authorization is None else {"Authorization": authorization})
        self.payload = BasicOAuth2Payload(dict(form))
        self.client: Caller | None = None
        """The client, once it is authenticated, even if the request is then refused."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of the token endpoint."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client, as Authlib's hooks use it."""

    client_id: str
    organisation_id: UUID
    role: Role
    scopes: frozenset[str]
    """The scopes that it may request: those of its registration, within its role."""
    areas: tuple[UUID, ...]
    kid: str | None
    """The key that signed the assertion; None for a secret."""

    def check_grant_type(self, grant_type: str) -> bool:
        """Check whether the client may use a grant type (Authlib's hook)."""
        return grant_type == GRANT_TYPE

    def get_allowed_scope(self, requested: str | None) -> str:
        """Return the requested scopes that the client may have, in alphabetical order (Authlib's hook).

        Raises:
            InvalidScopeError: no scope was requested, a name is no scope, or none can be granted; it lists the client's
                scopes.
        """
        names = frozenset((requested or "").split())
        unknown, granted = names - SCOPES.keys(), self.scopes & names
        if granted and not unknown:
            return " ".join(sorted(granted))
        if unknown:
            reason = f"{len(unknown)} of the {len(names)} names in scope are no scopes of this service"
        elif names:
            reason = "None of these scopes can be granted"
        else:
            reason = "Name the scopes you need in the parameter scope"
        raise InvalidScopeError(description=f"{reason}. This client may request: {' '.join(sorted(self.scopes))}")


class TokenServer(AuthorizationServer):  # type: ignore[misc]
    """Answer token requests. One instance serves all requests of a process."""

    def __init__(
        self, issuer: str, token_url: str, keys: SigningKeys, now: Callable[[], float], *, local: bool = False
    ) -> None:
        super().__init__()
        self._issuer = issuer
        self._token_url = token_url
        self._keys = keys
        self._now = now
        self._local = local
        self.register_grant(ClientCredentialsGrant)
        self.register_token_generator("default", BearerTokenGenerator(self._sign, expires_generator=LIFE_SECONDS))

    def answer(self, session: Session, request: TokenRequest) -> TokenAnswer:
        """Decide one request. `AsyncSession.run_sync` runs it.

        The caller commits **after a refusal too**, because a used assertion must stay used.
        """
        reset = _session.set(session)
        try:
            answer: TokenAnswer = self.create_token_response(request)
        finally:
            _session.reset(reset)
        return answer

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """Return the request, which has Authlib's form already."""
        return request

    def handle_response(self, status: int, body: Mapping[str, Any], headers: list[tuple[str, str]]) -> TokenAnswer:
        """Convert Authlib's answer."""
        return TokenAnswer(status, body, {name: value for name, value in headers if name != "Content-Type"})

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Ignore Authlib's signals."""

    def save_token(self, token: Mapping[str, Any], request: TokenRequest) -> None:
        """Store nothing: access tokens are signed and short-lived."""

    def get_token_grant(self, request: TokenRequest) -> Any:
        """Return the grant for a request (Authlib's hook)."""
        if request.payload.grant_type != GRANT_TYPE:
            raise OtherGrantTypeError(request.payload.grant_type)
        return super().get_token_grant(request)

    def authenticate_client(self, request: TokenRequest, methods: object, endpoint: str = "token") -> Caller:
        """Authenticate the client (RFC 6749 section 2.3; Authlib's hook).

        Raises:
            ClientRefusedError: not authenticated, or the client or its agreement has ended.
            InvalidRequestError: two credentials, or an unknown kind of assertion.
        """
        form = request.payload.data
        credentials, assertion = request.headers.get("Authorization"), form.get("client_assertion")
        if credentials is not None and assertion is not None:
            raise InvalidRequestError("Send HTTP Basic or a client_assertion, not both.")
        if credentials is not None:
            client = self._authenticate_by_secret(credentials)
            request.client = self._caller(client, None)
        elif assertion is not None:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise InvalidRequestError(f"client_assertion_type must be {ASSERTION_TYPE}.")
            client, proof = self._authenticate_by_assertion(assertion)
            request.client = self._caller(client, proof.kid)
            self._spend(client.client_id, proof)
        else:
            raise ClientRefusedError("Authenticate by HTTP Basic, or by client_assertion and client_assertion_type.")
        if form.get("client_id", client.client_id) != client.client_id:
            raise ClientRefusedError("client_id is not the client that authenticated.")
        self._check_admission(client)
        return request.client

    def query_client(self, client_id: str) -> Client | None:
        """Load a client, ended or not."""
        return _session.get().get(Client, client_id) if re.fullmatch(CLIENT_ID_PATTERN, client_id) else None

    def _authenticate_by_secret(self, credentials: str) -> Client:
        """Authenticate by HTTP Basic with percent-encoded id and secret (RFC 6749 section 2.3.1)."""
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
        # Compared for an unknown client too, so that the time does not disclose which ids exist.
        matches = hmac.compare_digest(sha256(secret.encode()).digest(), expected)
        if client is None or client.secret_hash is None or not matches:
            raise ClientRefusedError("No such client with this secret.")
        return client

    def _authenticate_by_assertion(self, token: str) -> tuple[Client, Proof]:
        """Authenticate by private_key_jwt (RFC 7523 section 2.2)."""
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
        """Mark an assertion as used. A second use at the same time waits for the first to commit, and is refused."""
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
                col(SpentAssertion.expires_at) < datetime.fromtimestamp(self._now() - _PURGE_AFTER_SECONDS, UTC),
            )
        )

    def _check_admission(self, client: Client) -> None:
        """Refuse an authenticated client that has ended, has no agreement in force, or may not leave its machine."""
        # The mark of a demo commits with its clients, so that whoever finds a client finds the mark.
        if not self._local and _session.get().get(DemoMark, True) is not None:
            raise ClientRefusedError("The database of this service holds a demo, whose clients may not call it.")
        if client.ended_at is not None:
            raise ClientRefusedError("This client has ended: ask the operator for a new one.")
        agreement = _session.get().get_one(DataSharingAgreement, client.agreement_id)
        today = london_date(datetime.fromtimestamp(self._now(), UTC))
        subject = f"The data sharing agreement {_plain(agreement.reference)}"
        if today < agreement.starts_on:
            raise ClientRefusedError(f"{subject} begins on {agreement.starts_on:%Y-%m-%d}.")
        if agreement.ends_on is not None and today > agreement.ends_on:
            raise ClientRefusedError(f"{subject} ended on {agreement.ends_on:%Y-%m-%d}: renew it, and access returns.")

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
    """Replace the characters that an error_description must not hold (RFC 6749 section 5.2)."""
    return re.sub(r'[^\x20-\x7e]|["\\]', "?", text)
