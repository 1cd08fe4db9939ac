"""Describe the authorization server (RFC 8414)."""

from typing import Any

from convenor_auth.assertions import ALGORITHMS
from convenor_auth.roles import SCOPES
from convenor_auth.server import GRANT_TYPE

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
JWKS_PATH = "/oauth/jwks"
METADATA_PATH = "/.well-known/oauth-authorization-server"
AUTH_METHODS = ("client_secret_basic", "private_key_jwt")


def server_metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata document of RFC 8414 section 2.

    `response_types_supported` is empty but present: section 2 requires it, and common clients fail without it.
    """
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "scopes_supported": list(SCOPES),
        "response_types_supported": [],
        "grant_types_supported": [GRANT_TYPE],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "service_documentation": issuer + "/docs",
    }
