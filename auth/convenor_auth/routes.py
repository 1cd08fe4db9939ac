"""The OAuth addresses: path, call, status and documented errors."""

from typing import Any, Literal

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from .assertions import ASSERTION_TYPE
from .forms import FORM, read_form
from .metadata import JWKS_PATH, METADATA_PATH, TOKEN_PATH, server_metadata
from .oauth_services import OAuthServices
from .server import GRANT_TYPE, Caller, TokenRequest

router = APIRouter(tags=["oauth"])

_PUBLIC = {"Cache-Control": "public, max-age=300"}


class TokenRead(BaseModel):
    """An access token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds; 300.")
    scope: str = Field(description="The scopes granted, separated by spaces: perhaps fewer than were asked for.")


class OAuthError(BaseModel):
    """A refusal (RFC 6749 section 5.2)."""

    error: Literal["invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"]
    error_description: str = Field(description="What is wrong, and the way out.")


class JwkSet(BaseModel):
    """Public keys (RFC 7517 section 5)."""

    keys: list[dict[str, Any]]


_FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type", "scope"],
    "properties": {
        "grant_type": {"type": "string", "const": GRANT_TYPE},
        "scope": {"type": "string", "description": "The scopes asked for, separated by spaces.", "minLength": 1},
        "client_id": {"type": "string", "description": "Optional; the client that authenticates."},
        "client_assertion_type": {"type": "string", "const": ASSERTION_TYPE},
        "client_assertion": {
            "type": "string",
            "description": (
                "A JWT signed by the client (RFC 7523 section 2.2); its header has the `kid` of a registered key. "
                "`iss` and `sub` are the client id; `aud` is the `issuer` of /.well-known/oauth-authorization-server, "
                "alone, or, for a client that is registered so, the token address; `exp` is at most five minutes "
                "away; `jti` is used once."
            ),
        },
    },
}


@router.post(
    TOKEN_PATH,
    operation_id="issue_token",
    summary="Ask for an access token",
    responses={
        200: {"model": TokenRead, "description": "The token, good for five minutes."},
        400: {"model": OAuthError, "description": "invalid_request, invalid_scope or unsupported_grant_type."},
        401: {"model": OAuthError, "description": "invalid_client: not proven, ended, or the agreement has ended."},
        413: {"model": OAuthError, "description": "The body is larger than 64 kB."},
    },
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": _FORM_SCHEMA}}}, "security": []},
)
async def issue_token(request: Request) -> JSONResponse:
    """Client credentials (RFC 6749 section 4.4), by HTTP Basic or by a signed `client_assertion`.

    Every scope is asked for by name; granted are those that the role and the client's registration hold.
    """
    oauth: OAuthServices = request.app.state.oauth
    caller: Caller | None = None
    try:
        token_request = await _read_request(request, oauth)
    except InvalidRequestError as fault:
        answer = oauth.server.handle_error_response(None, fault)
    else:
        answer = await oauth.answer(token_request)
        caller = token_request.client
    request.state.audit = {
        "action": "token:issue",
        "client_id": caller and caller.client_id,
        "organisation_id": caller and caller.organisation_id,
        "role": caller and caller.role,
        "areas": caller.areas if caller else (),
    }
    return JSONResponse(dict(answer.body), answer.status, dict(answer.headers))


@router.get(
    JWKS_PATH,
    operation_id="read_signing_keys",
    summary="The keys that sign access tokens",
    response_model=JwkSet,
    openapi_extra={"security": []},
)
async def read_signing_keys(request: Request) -> JSONResponse:
    """The public halves of the signing keys, those to come and those just retired among them."""
    oauth: OAuthServices = request.app.state.oauth
    return JSONResponse(oauth.keys.jwks(), headers=_PUBLIC)


@router.get(
    METADATA_PATH,
    operation_id="read_server_metadata",
    summary="The authorization server's metadata",
    response_model=dict[str, Any],
    openapi_extra={"security": []},
)
async def read_server_metadata(request: Request) -> JSONResponse:
    """Where to ask for a token and how, for software that sets itself up (RFC 8414)."""
    oauth: OAuthServices = request.app.state.oauth
    return JSONResponse(server_metadata(oauth.issuer), headers=_PUBLIC)


async def _read_request(request: Request, oauth: OAuthServices) -> TokenRequest:
    if len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError("The Authorization header is repeated.")
    return TokenRequest(oauth.token_url, await read_form(request), request.headers.get("authorization"))
