"""A client proves itself by signing: with a key it registered, for this server, for minutes, once."""

import asyncio
import math
from datetime import date
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from support.oauth_clients import ISSUER, TOKEN_URL, Register, basic, new_key, refused, segment, sign_by_public_key

from convenor_auth.assertions import ALGORITHMS, ASSERTION_TYPE
from convenor_auth.clients import add_key, end_key
from convenor_auth.models import SpentAssertion


async def test_a_key_that_was_not_registered_proves_nothing_though_the_token_brings_it(register: Register) -> None:
    partner = await register(alg="ES256")
    stranger = new_key("ES256", kid=partner.key.kid)
    for header in ({}, {"jwk": stranger.as_dict(private=False)}, {"jku": "https://attacker.example/jwks"}):
        assertion = partner.assertion(key=stranger, header=header)
        assert "No open key" in refused(await partner.present(assertion), 401, "invalid_client")


async def test_one_client_s_key_does_not_authenticate_another(register: Register) -> None:
    partner, other = await register(alg="ES256"), await register(alg="ES256")
    refused(await partner.present(partner.assertion(iss=other.client_id, sub=other.client_id)), 401, "invalid_client")


async def test_an_unknown_client_reads_the_same_as_a_wrong_key(register: Register) -> None:
    partner = await register(alg="ES256")
    unknown = await partner.present(partner.assertion(iss="nobody", sub="nobody"))
    wrong = await partner.present(partner.assertion(key=new_key("ES256", kid=partner.key.kid)))
    assert refused(unknown, 401, "invalid_client") == refused(wrong, 401, "invalid_client")


async def test_a_public_key_is_no_shared_secret(register: Register) -> None:
    partner = await register(alg="ES256")
    forged = sign_by_public_key(partner.key, {"typ": "JWT"}, partner.claims())
    assert "alg must be" in refused(await partner.present(forged), 401, "invalid_client")


@pytest.mark.parametrize("alg", ["none", "None", "", "RS256", "HS256", 5, None, ["ES256"], {"ES256": 1}])
async def test_an_algorithm_that_is_not_accepted_is_refused(register: Register, alg: Any) -> None:
    partner = await register(alg="ES256")
    _, payload, signature = partner.assertion().split(".")
    forged = ".".join((segment({"alg": alg, "kid": partner.key.kid}), payload, signature))
    refused(await partner.present(forged), 401, "invalid_client")
    unsigned = ".".join((segment({"alg": alg, "kid": partner.key.kid}), payload, ""))
    refused(await partner.present(unsigned), 401, "invalid_client")


async def test_a_key_signs_with_its_own_algorithm_only(register: Register) -> None:
    partner = await register(alg="RS384")
    unbound = RSAKey.import_key({**partner.key.as_dict(private=True), "alg": "RS512"})
    assertion = partner.assertion(key=unbound, header={"alg": "RS512"})
    refused(await partner.present(assertion), 401, "invalid_client")


@pytest.mark.parametrize("kid", [None, "", "another", 5, ["a"], {}, 'a"b', "\ud800", "\0", "k" * 300])
async def test_the_header_must_name_an_open_key(register: Register, kid: Any) -> None:
    partner = await register(alg="ES256")
    _, payload, signature = partner.assertion().split(".")
    header = {"alg": "ES256"} | ({} if kid is None else {"kid": kid})
    refused(await partner.present(".".join((segment(header), payload, signature))), 401, "invalid_client")


@pytest.mark.parametrize("kind", ["at+jwt", "", "dpop+jwt"])
async def test_a_token_made_for_something_else_is_refused(register: Register, kind: str) -> None:
    partner = await register(alg="ES256")
    refused(await partner.present(partner.assertion(header={"typ": kind})), 401, "invalid_client")


@pytest.mark.parametrize(
    "audience",
    [
        *(None, "", f"{ISSUER}/", f"{ISSUER}/v1", TOKEN_URL, "https://other.example", [], 5, {"a": 1}),
        *([ISSUER, "https://other.example"], [ISSUER, ISSUER], [[ISSUER]]),
    ],
)
async def test_an_assertion_must_be_for_this_server_alone(register: Register, audience: Any) -> None:
    partner = await register(alg="ES256")
    assert "aud" in refused(await partner.present(partner.assertion(aud=audience)), 401, "invalid_client")


@pytest.mark.parametrize("issuer", [None, "", "another", 5, ["a"]])
async def test_issuer_and_subject_must_both_be_the_client(register: Register, issuer: Any) -> None:
    partner = await register(alg="ES256")
    refused(await partner.present(partner.assertion(iss=issuer)), 401, "invalid_client")


@pytest.mark.parametrize("subject", [None, "", 5, [], {}, "\ud800", "\0", "a' or 1=1", "x" * 300])
async def test_a_subject_that_is_no_client_id_is_refused(register: Register, subject: Any) -> None:
    partner = await register(alg="ES256")
    refused(await partner.present(partner.assertion(sub=subject, iss=subject)), 401, "invalid_client")


@pytest.mark.parametrize("jti", [None, "", 5, [], "\ud800", "\0", "x" * 300])
async def test_an_assertion_needs_an_id_of_its_own(register: Register, jti: Any) -> None:
    partner = await register(alg="ES256")
    assert "jti" in refused(await partner.present(partner.assertion(jti=jti)), 401, "invalid_client")


@pytest.mark.parametrize("ahead", [-3600, -1, 0, 320, 3600, 10**400, math.inf, math.nan])
async def test_an_assertion_lives_at_most_five_minutes(register: Register, ahead: float) -> None:
    partner = await register(alg="ES256")
    partner.clock.now = float(int(partner.clock.now))
    expiry = int(partner.clock.now) + ahead
    assert "exp" in refused(await partner.present(partner.assertion(exp=expiry)), 401, "invalid_client")


@pytest.mark.parametrize("expiry", [None, "soon", True, [], {}])
async def test_an_expiry_that_is_no_time_is_refused(register: Register, expiry: Any) -> None:
    partner = await register(alg="ES256")
    refused(await partner.present(partner.assertion(exp=expiry)), 401, "invalid_client")


async def test_an_assertion_from_the_future_is_refused(register: Register) -> None:
    partner = await register(alg="ES256")
    later = int(partner.clock.now) + 60
    for claims in ({"iat": later}, {"nbf": later}):
        refused(await partner.present(partner.assertion(**claims)), 401, "invalid_client")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "..",
        "a.b.c",
        "a.b.c.d.e",
        "....",
        f"{segment([])}.{segment({})}.x",
        f"{segment('alg')}.{segment({})}.x",
        f"{segment(['alg'])}.{segment({'sub': 'abc'})}.x",
        f"{segment({'alg': 'ES256'})}.{segment([])}.x",
        f"{segment({'alg': 'ES256'})}.{segment('[' * 5000)}.x",
        f"{segment({'alg': 'ES256', 'kid': 'a', 'crit': ['b64'], 'b64': False})}.{segment({'sub': 'abc'})}.x",
        f"{segment({'alg': 'ES256', 'kid': 'a' * 200, 'x': 'a' * 600})}.{segment({'sub': 'abc'})}.x",
        f"{segment({'alg': 'ES256', 'kid': 'a'})}.{segment({'sub': 'abc', 'exp': 1})[:-1]}.x",
        f"{segment({'alg': 'ES256', 'kid': 'a'})}.{segment('{' + '1' * 6000)}.x",
        f"{segment('x' * 20_000)}.x.x",
    ],
)
async def test_what_is_no_assertion_is_refused(register: Register, token: str) -> None:
    partner = await register(alg="ES256")
    refused(await partner.present(token), 401, "invalid_client")


async def test_headers_of_the_wrong_kind_under_a_known_key_are_refused(register: Register) -> None:
    partner = await register(alg="ES256")
    _, payload, signature = partner.assertion().split(".")
    for odd in ({"typ": 5}, {"jku": 5}, {"x5c": "a"}, {"jwk": []}, {"cty": {}}, {"b64": False}, {"crit": ["exp"]}):
        header = segment({"alg": "ES256", "kid": partner.key.kid, **odd})
        refused(await partner.present(f"{header}.{payload}.{signature}"), 401, "invalid_client")


async def test_another_assertion_type_is_refused(register: Register) -> None:
    partner = await register(alg="ES256")
    for form in ({}, {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}):
        answer = await partner.ask({}, client_assertion=partner.assertion(), **form)
        assert ASSERTION_TYPE in refused(answer, 400, "invalid_request")


async def test_two_proofs_at_once_are_refused(register: Register) -> None:
    partner, other = await register(alg="ES256"), await register()
    answer = await partner.ask(
        basic(other.client_id, other.secret),
        client_assertion_type=ASSERTION_TYPE,
        client_assertion=partner.assertion(),
    )
    refused(answer, 400, "invalid_request")


async def test_a_key_that_has_ended_proves_nothing(register: Register, owner: async_sessionmaker[AsyncSession]) -> None:
    partner = await register(alg="ES256")
    async with owner.begin() as session:
        await end_key(session, partner.client_id, partner.key.kid)
    refused(await partner.present(partner.assertion()), 401, "invalid_client")


async def test_an_assertion_works_once(register: Register) -> None:
    partner = await register(alg="ES256")
    assertion = partner.assertion()
    assert (await partner.present(assertion)).status_code == 200
    assert "used before" in refused(await partner.present(assertion), 401, "invalid_client")
    assert (await partner.present(partner.assertion())).status_code == 200


async def test_an_assertion_that_was_refused_for_its_scope_is_spent_all_the_same(register: Register) -> None:
    partner = await register(alg="ES256")
    assertion = partner.assertion()
    refused(await partner.present(assertion, scope="audit:read"), 400, "invalid_scope")
    assert "used before" in refused(await partner.present(assertion), 401, "invalid_client")


async def test_an_assertion_under_an_ended_agreement_is_spent_too(register: Register, yesterday: date) -> None:
    partner = await register(alg="ES256", ends_on=yesterday)
    assertion = partner.assertion()
    assert "ended on" in refused(await partner.present(assertion), 401, "invalid_client")
    assert "used before" in refused(await partner.present(assertion), 401, "invalid_client")


async def test_exactly_one_of_identical_assertions_sent_at_once_wins(register: Register) -> None:
    partner = await register(alg="ES256")
    assertion = partner.assertion()
    answers = await asyncio.gather(*(partner.present(assertion) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_two_clients_may_use_the_same_assertion_id(register: Register) -> None:
    for partner in (await register(alg="ES256"), await register(alg="ES256")):
        assert (await partner.present(partner.assertion(jti="1"))).status_code == 200


async def test_an_assertion_that_was_forged_spends_nothing(register: Register) -> None:
    partner = await register(alg="ES256")
    forged = partner.assertion(key=new_key("ES256", kid=partner.key.kid), jti="mine")
    refused(await partner.present(forged), 401, "invalid_client")
    assert (await partner.present(partner.assertion(jti="mine"))).status_code == 200


async def test_spent_assertions_are_forgotten_once_they_could_not_be_used_again(
    register: Register, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register(alg="ES256")
    await partner.present(partner.assertion(jti="early"))
    partner.clock.now += 600
    await partner.present(partner.assertion(jti="late"))
    async with owner() as session:
        spent = select(SpentAssertion.jti).where(SpentAssertion.client_id == partner.client_id)
        assert list(await session.scalars(spent)) == ["late"]


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_every_algorithm_of_the_profiles_is_accepted(register: Register, alg: str) -> None:
    partner = await register(alg=alg)
    answer = await partner.present(partner.assertion())
    assert (answer.status_code, answer.json()["scope"]) == (200, "referrals:read")


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "jwt"}, {"typ": "client-authentication+jwt"}, {"x": "y"}])
async def test_a_type_that_fits_or_is_missing_is_accepted(register: Register, header: dict[str, Any]) -> None:
    partner = await register(alg="ES384")
    assert (await partner.present(partner.assertion(header=header))).status_code == 200


async def test_a_flagged_client_may_name_the_token_address(register: Register) -> None:
    partner = await register(alg="RS512", audience_flag=True)
    for audience in (TOKEN_URL, [TOKEN_URL], ISSUER):
        assert (await partner.present(partner.assertion(aud=audience))).status_code == 200


async def test_five_minutes_to_the_second_are_accepted(register: Register) -> None:
    partner = await register(alg="ES256")
    now = int(partner.clock.now)
    claims = {"exp": now + 300, "iat": now, "nbf": now, "aud": [ISSUER], "extra": {"a": [1]}}
    assert (await partner.present(partner.assertion(**claims))).status_code == 200


async def test_a_client_changes_from_one_key_to_the_next_without_a_gap(
    register: Register, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register(alg="ES256")
    following = new_key("ES384")
    async with owner.begin() as session:
        await add_key(session, partner.client_id, following.as_dict(private=False))
    assert (await partner.present(partner.assertion())).status_code == 200
    async with owner.begin() as session:
        await end_key(session, partner.client_id, partner.key.kid)
    partner.key = following
    assert (await partner.present(partner.assertion())).status_code == 200


async def test_an_assertion_may_stand_beside_a_client_id(register: Register) -> None:
    partner, other = await register(alg="ES256"), await register()
    assert (await partner.present(partner.assertion(), client_id=partner.client_id)).status_code == 200
    refused(await partner.present(partner.assertion(), client_id=other.client_id), 401, "invalid_client")
