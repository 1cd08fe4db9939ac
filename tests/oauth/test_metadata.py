"""What the server says about itself, so that a partner's software can set itself up."""

from pathlib import Path

import asyncpg
import httpx2
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from support.oauth_clients import ISSUER, Register

from convenor.configuration_error import ConfigurationError
from convenor_auth.keys import make_keys
from convenor_auth.oauth_services import open_oauth_services
from convenor_auth.roles import SCOPES


@pytest.mark.parametrize("issuer", ["http://convenor.example", "http://0.0.0.0:8000", "convenor.example", ""])
def test_no_oauth_services_open_on_plain_http_beyond_this_machine(
    engine: AsyncEngine, pool: asyncpg.Pool, tmp_path: Path, issuer: str
) -> None:
    make_keys(tmp_path)
    with pytest.raises(ConfigurationError, match="plain http"):
        open_oauth_services(issuer, tmp_path, async_sessionmaker(engine), pool)


async def test_the_metadata_is_as_the_standard_has_it(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/.well-known/oauth-authorization-server")
    metadata = answer.json()
    # RFC 8414 section 2 requires the list, section 3.2 would leave an empty one out; clients such as Nimbus want it.
    assert metadata["response_types_supported"] == []
    AuthorizationServerMetadata({**metadata, "response_types_supported": ["none"]}).validate()
    assert metadata["issuer"] == ISSUER
    assert metadata["scopes_supported"] == list(SCOPES)
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "private_key_jwt"]
    signing = metadata["token_endpoint_auth_signing_alg_values_supported"]
    assert set(signing) == {"ES256", "ES384", "RS384", "RS512", "PS256"}


async def test_the_metadata_leads_to_a_token_and_the_keys_that_prove_it(
    http: httpx2.AsyncClient, register: Register
) -> None:
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    partner = await register(alg="ES384", audience_flag=True)
    answer = await partner.present(partner.assertion(aud=metadata["token_endpoint"]))
    published = (await http.get(metadata["jwks_uri"])).json()
    assert all("d" not in key and key["alg"] == "ES256" and key["use"] == "sig" for key in published["keys"])
    token = jwt.decode(answer.json()["access_token"], KeySet.import_key_set(published), algorithms=["ES256"])
    assert token.claims["client_id"] == partner.client_id
