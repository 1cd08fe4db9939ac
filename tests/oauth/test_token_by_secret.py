"""A client proves itself by its secret, names the scopes it needs, and gets a token for five minutes."""

import base64
from datetime import UTC, date, datetime

import httpx2
import pytest
from joserfc import jwt
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from support.oauth_clients import FORM, ISSUER, Register, basic, refused

from convenor.audit.record import AuditRecord
from convenor.security.principal import Grant, Role
from convenor_auth.clients import end_client
from convenor_auth.models import SpentAssertion
from convenor_auth.oauth_services import OAuthServices
from convenor_auth.roles import ROLES


async def test_a_wrong_secret_is_refused_in_the_words_used_for_an_unknown_client(register: Register) -> None:
    partner = await register()
    wrong = await partner.ask(basic(partner.client_id, "x" * 43))
    unknown = await partner.ask(basic("nobody", "x" * 43))
    assert refused(wrong, 401, "invalid_client") == refused(unknown, 401, "invalid_client")


async def test_a_client_that_signs_has_no_secret_to_guess(register: Register) -> None:
    partner = await register(alg="ES256")
    for secret in ("", "\0" * 32):
        refused(await partner.ask(basic(partner.client_id, secret)), 401, "invalid_client")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic é",
        "Bearer abc",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:secret").decode(),
        "Basic " + base64.b64encode(b"%ff%fe:secret").decode(),
        "Basic " + base64.b64encode(b"%00:%00").decode(),
        "Basic " + base64.b64encode(b"%ED%A0%80:%ED%A0%80").decode(),
        "Basic " + base64.b64encode(b"school' or 1=1--:x").decode(),
    ],
)
async def test_a_malformed_authorization_header_is_refused(register: Register, header: str) -> None:
    partner = await register()
    refused(await partner.ask({"Authorization": header.encode("latin-1")}), 401, "invalid_client")


async def test_two_authorization_headers_are_refused(http: httpx2.AsyncClient, register: Register) -> None:
    partner = await register()
    proof = basic(partner.client_id, partner.secret)
    headers = [*FORM.items(), *proof.items(), *proof.items()]
    form = "grant_type=client_credentials&scope=referrals:read"
    refused(await http.post("/oauth/token", content=form, headers=headers), 400, "invalid_request")


async def test_no_proof_at_all_is_refused(register: Register) -> None:
    partner = await register()
    assert "HTTP Basic" in refused(await partner.ask({}), 401, "invalid_client")
    refused(await partner.ask({}, client_id=partner.client_id, client_secret=partner.secret), 401, "invalid_client")


async def test_a_client_id_in_the_form_must_be_the_one_that_authenticated(register: Register) -> None:
    partner, other = await register(), await register()
    refused(await partner.ask(client_id=other.client_id), 401, "invalid_client")
    assert (await partner.ask(client_id=partner.client_id)).status_code == 200


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "grant_type"),
        (b"grant_type=&scope=referrals:read", "grant_type"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "repeated"),
        (b"grant_type=client_credentials&scope=referrals:read&scope=", "repeated"),
        (b"grant_type=client_credentials&scope=%00", "printable"),
        (b"grant_type=client_credentials&%0a=1", "printable"),
        (b"grant_type=client_credentials&scope=%ED%A0%80", "not a form"),
        (b"grant_type=client_credentials&scope=\xff", "not a form"),
        (b"grant_type=client_credentials&scope=%C3%A9", "printable"),
        (b"&".join(b"p%d=1" % number for number in range(60)), "not a form"),
    ],
)
async def test_a_form_that_is_not_one_is_refused(register: Register, body: bytes, why: str) -> None:
    partner = await register()
    headers = {**FORM, **basic(partner.client_id, partner.secret)}
    assert why in refused(
        await partner.http.post("/oauth/token", content=body, headers=headers), 400, "invalid_request"
    )


@pytest.mark.parametrize("kind", [None, "application/json", "multipart/form-data; boundary=x", "text/plain"])
async def test_another_content_type_is_refused(register: Register, kind: str | None) -> None:
    partner = await register()
    headers = basic(partner.client_id, partner.secret) | ({"Content-Type": kind} if kind else {})
    body = b"grant_type=client_credentials&scope=referrals:read"
    refused(await partner.http.post("/oauth/token", content=body, headers=headers), 400, "invalid_request")


async def test_a_body_over_64_kilobytes_is_refused(register: Register) -> None:
    partner = await register()
    refused(await partner.ask(scope="a" * 65_536), 413, "invalid_request")


@pytest.mark.parametrize("grant_type", ["authorization_code", "password", 'x"y', "None"])
async def test_another_grant_type_is_refused(register: Register, grant_type: str) -> None:
    partner = await register()
    refused(await partner.ask(grant_type=grant_type), 400, "unsupported_grant_type")


async def test_a_client_that_names_no_scope_is_told_what_it_may_ask_for(register: Register) -> None:
    partner = await register(scopes={"referrals:read", "services:read"})
    for form in ({"scope": ""}, {"scope": " "}):
        assert "may request: referrals:read services:read" in refused(await partner.ask(**form), 400, "invalid_scope")


async def test_a_client_that_may_have_nothing_of_what_it_names_is_told_what_it_may_ask_for(register: Register) -> None:
    partner = await register(scopes={"referrals:read"})
    for scope in ("audit:read", "referrals:write", "REFERRALS:READ", "nonsense", 'a"b\\c'):
        assert "may request: referrals:read" in refused(await partner.ask(scope=scope), 400, "invalid_scope")


async def test_a_name_that_is_no_scope_is_refused_beside_scopes_that_are(register: Register) -> None:
    partner = await register(scopes={"referrals:read", "services:read"})
    for scope in (
        "services:read referral:read",
        "services:read SERVICES:READ",
        "nonsense services:read referrals:read",
    ):
        description = refused(await partner.ask(scope=scope), 400, "invalid_scope")
        assert "1 of the" in description
        assert "no scopes of this service" in description
        assert "may request: referrals:read services:read" in description
        assert "nonsense" not in description
    granted = await partner.ask(scope="services:read audit:read")
    assert granted.json()["scope"] == "services:read", "a scope that the client may not have is left out"


async def test_a_client_that_has_ended_is_refused_only_once_it_has_proved_itself(
    register: Register, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register()
    async with owner.begin() as session:
        await end_client(session, partner.client_id)
    assert "has ended" in refused(await partner.ask(), 401, "invalid_client")
    stranger = await partner.ask(basic(partner.client_id, "guess"))
    assert "ended" not in refused(stranger, 401, "invalid_client")


async def test_an_agreement_that_has_ended_refuses_and_is_named(register: Register, yesterday: date) -> None:
    partner = await register(ends_on=yesterday)
    description = refused(await partner.ask(), 401, "invalid_client")
    assert "DSA-" in description
    assert str(yesterday) in description


async def test_an_agreement_is_named_in_the_characters_that_the_standard_leaves(
    register: Register, yesterday: date
) -> None:
    partner = await register(ends_on=yesterday, reference='Cytundeb "Môn"')
    assert "agreement Cytundeb ?M?n?-" in refused(await partner.ask(), 401, "invalid_client")


async def test_an_agreement_holds_to_the_end_of_its_last_day_in_london(register: Register) -> None:
    partner = await register(ends_on=date(2026, 7, 31))
    partner.clock.now = datetime(2026, 7, 31, 22, 59, 59, tzinfo=UTC).timestamp()
    assert (await partner.ask()).status_code == 200
    partner.clock.now = datetime(2026, 7, 31, 23, 0, 0, tzinfo=UTC).timestamp()
    refused(await partner.ask(), 401, "invalid_client")


async def test_an_agreement_that_has_not_begun_refuses(register: Register) -> None:
    partner = await register(starts_on=date(2030, 1, 1))
    partner.clock.now = datetime(2029, 12, 31, 12, tzinfo=UTC).timestamp()
    assert "begins on 2030-01-01" in refused(await partner.ask(), 401, "invalid_client")


async def test_a_refusal_leaves_the_audit_who_asked_only_where_that_is_proven(
    register: Register, audited: list[AuditRecord | None]
) -> None:
    partner = await register(scopes={"referrals:read"})
    await partner.ask(basic(partner.client_id, "guess"))
    assert audited[-1] == AuditRecord("token:issue")
    await partner.ask(scope="audit:read")
    assert audited[-1] == AuditRecord("token:issue", client_id=partner.client_id)


async def test_a_token_carries_what_was_asked_for_within_role_and_registration(
    register: Register, oauth: OAuthServices
) -> None:
    partner = await register(scopes={"referrals:read", "services:read"})
    answer = await partner.ask(scope="services:read  referrals:read referrals:write audit:read pupils:identify")
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "referrals:read services:read")
    token = jwt.decode(body["access_token"], oauth.keys.signing, algorithms=["ES256"])
    assert token.header == {"alg": "ES256", "typ": "at+jwt", "kid": oauth.keys.signing.kid}
    now = int(partner.clock.now)
    assert len(token.claims.pop("jti")) >= 16
    assert token.claims == {
        "iss": ISSUER,
        "aud": f"{ISSUER}/v1",
        "sub": partner.client_id,
        "client_id": partner.client_id,
        "scope": "referrals:read services:read",
        "iat": now,
        "exp": now + 300,
    }


async def test_a_scope_that_the_role_has_lost_is_not_granted(
    register: Register, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register(scopes={"referrals:read"})
    async with owner.begin() as session:
        await (await session.connection()).exec_driver_sql(
            "update client set scopes = array['referrals:read', 'audit:read'] where client_id = $1",
            (partner.client_id,),
        )
    assert (await partner.ask(scope="referrals:read audit:read")).json()["scope"] == "referrals:read"


async def test_the_audit_learns_who_got_a_token(
    register: Register, audited: list[AuditRecord | None], area: Grant
) -> None:
    partner = await register(Role.COMMISSIONER, grants=(area,))
    assert (await partner.ask(scope=" ".join(ROLES[Role.COMMISSIONER].scopes))).status_code == 200
    assert audited[-1] == AuditRecord("token:issue", client_id=partner.client_id, areas=(area.area_id,))


async def test_a_secret_spends_no_assertion(register: Register, owner: async_sessionmaker[AsyncSession]) -> None:
    partner = await register()
    await partner.ask()
    async with owner() as session:
        spent = select(func.count()).where(SpentAssertion.client_id == partner.client_id)
        assert await session.scalar(spent) == 0
