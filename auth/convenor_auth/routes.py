"""Serve the OAuth addresses: tokens, signing keys and metadata."""

from typing import Any, Literal

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from convenor.audit.actions import register_actions
from convenor.audit.record import AuditRecord
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedJSONResponse
from convenor_auth.assertions import ASSERTION_TYPE
from convenor_auth.forms import FORM, read_form
from convenor_auth.metadata import JWKS_PATH, METADATA_PATH, TOKEN_PATH, server_metadata
from convenor_auth.oauth_services import OAuthServices
from convenor_auth.server import GRANT_TYPE, Caller, TokenRequest

router = APIRouter(tags=["oauth"])

_ACTION = "token:issue"
register_actions([_ACTION])
_PUBLIC = {"Cache-Control": "public, max-age=300"}


class TokenRead(BaseModel):
    """An access token (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="The token's life in seconds: 300.")
    scope: str = Field(
        description="The granted scopes, separated by spaces. They may be fewer than you requested; a name that is no"
        " scope is refused."
    )


class OAuthError(BaseModel):
    """An error (RFC 6749 section 5.2)."""

    error: Literal["invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"]
    error_description: str = Field(description="What is wrong, and what to do.")


class JwkSet(BaseModel):
    """Public keys (RFC 7517 section 5)."""

    keys: list[dict[str, Any]]


_FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type", "scope"],
    "properties": {
        "grant_type": {"type": "string", "const": GRANT_TYPE},
        "scope": {"type": "string", "description": "The requested scopes, separated by spaces.", "minLength": 1},
        "client_id": {
            "type": "string",
            "description": "The client's id. Optional, because the credentials name the client.",
        },
        "client_assertion_type": {"type": "string", "const": ASSERTION_TYPE},
        "client_assertion": {
            "type": "string",
            "description": (
                "A JWT that the client has signed (RFC 7523 section 2.2). Its header has the `kid` of a registered "
                "key. `iss` and `sub` are the client id. `aud` is the `issuer` of "
                "/.well-known/oauth-authorization-server, or the token address for a client registered to use that. "
                "`exp` is at most five minutes ahead. `jti` is used once."
            ),
        },
    },
}


@router.post(
    TOKEN_PATH,
    operation_id="issue_token",
    summary="Request an access token",
    responses={
        200: {"model": TokenRead, "description": "The token, valid for five minutes."},
        400: {"model": OAuthError, "description": "invalid_request, invalid_scope or unsupported_grant_type."},
        401: {
            "model": OAuthError,
            "description": "invalid_client: not authenticated, or the client or its agreement has ended.",
        },
        413: {"model": OAuthError, "description": "The body is larger than 64 kB."},
    },
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": _FORM_SCHEMA}}}, "security": []},
)
async def issue_token(request: Request) -> AuditedJSONResponse:
    """Issue an access token for client credentials (RFC 6749 section 4.4).

    Authenticate by HTTP Basic or by a signed `client_assertion`. Name every scope that you need; the token has those
    that the client's role and registration allow.
    """
    oauth = RequestContext.of(request).services.get(OAuthServices)
    caller: Caller | None = None
    try:
        token_request = await _read_request(request, oauth)
    except InvalidRequestError as error:
        answer = oauth.server.handle_error_response(None, error)
    else:
        answer = await oauth.answer(token_request)
        caller = token_request.client
    record = AuditRecord(_ACTION, areas=caller.areas if caller else (), client_id=caller.client_id if caller else None)
    return AuditedJSONResponse(dict(answer.body), answer.status, dict(answer.headers), audit=record)


@router.get(
    JWKS_PATH,
    operation_id="read_signing_keys",
    summary="Read the keys that sign access tokens",
    response_model=JwkSet,
    openapi_extra={"security": []},
)
async def read_signing_keys(request: Request) -> JSONResponse:
    """Return the public signing keys, with the next one and those that have just been retired."""
    oauth = RequestContext.of(request).services.get(OAuthServices)
    return JSONResponse(oauth.keys.jwks(), headers=_PUBLIC)


@router.get(
    METADATA_PATH,
    operation_id="read_server_metadata",
    summary="Read the authorization server's metadata",
    response_model=dict[str, Any],
    openapi_extra={"security": []},
)
async def read_server_metadata(request: Request) -> JSONResponse:
    """Return where and how to request a token, for software that configures itself (RFC 8414)."""
    oauth = RequestContext.of(request).services.get(OAuthServices)
    return JSONResponse(server_metadata(oauth.issuer), headers=_PUBLIC)


async def _read_request(request: Request, oauth: OAuthServices) -> TokenRequest:
    if len(request.headers.getlist("authorization")) > 1:
        raise InvalidRequestError("The Authorization header is repeated.")
    return TokenRequest(oauth.token_url, await read_form(request), request.headers.get("authorization"))
