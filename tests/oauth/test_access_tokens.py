"""An access token is known again on every request, for five minutes, while its client and its agreement last."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from support.oauth_clients import ISSUER, Clock, Register, segment, sign_by_public_key
from support.watched_tokens import hear, token_of, until, watching

from convenor.security.principal import FieldSensitivity, Grant, Principal, Role, RowAccess
from convenor_auth.clients import end_client
from convenor_auth.keys import key_of_organisation
from convenor_auth.oauth_services import OAuthServices
from convenor_auth.revocation import watch
from convenor_auth.roles import ROLES
from convenor_auth.tokens import AgreementEnded, InvalidToken, TokenVerifier, issue_access_token

GOOD = {"iss": ISSUER, "aud": f"{ISSUER}/v1", "sub": "school-1", "client_id": "school-1", "scope": "referrals:read"}


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({"typ": "JWT"}, {}, "not issued by this service"),
        ({"typ": None}, {}, "not issued by this service"),
        ({"kid": "other"}, {}, "not issued by this service"),
        ({"kid": None}, {}, "not issued by this service"),
        ({}, {"iss": "https://other.example"}, "another service"),
        ({}, {"aud": ISSUER}, "another service"),
        ({}, {"aud": [f"{ISSUER}/v1"]}, "another service"),
        ({}, {"exp": 0}, "expired"),
    ],
)
async def test_a_token_that_is_not_exactly_ours_is_refused(
    oauth: OAuthServices, clock: Clock, header: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    heading = {"alg": "ES256", "typ": "at+jwt", "kid": oauth.keys.signing.kid, **header}
    payload = {**GOOD, "exp": int(clock.now) + 300, **claims}
    heading = {name: value for name, value in heading.items() if value is not None}
    forged = jwt.encode(heading, payload, oauth.keys.signing, default_type=None)
    with pytest.raises(InvalidToken, match=reason):
        await oauth.verifier.verify(forged)


async def test_a_token_signed_by_another_key_or_algorithm_is_refused(oauth: OAuthServices, clock: Clock) -> None:
    payload = {**GOOD, "exp": int(clock.now) + 300}
    header = {"alg": "ES256", "typ": "at+jwt", "kid": oauth.keys.signing.kid}
    stranger = jwt.encode(header, payload, ECKey.generate_key("P-256"))
    for forged in (stranger, sign_by_public_key(oauth.keys.signing, header, payload)):
        with pytest.raises(InvalidToken, match="not issued by this service"):
            await oauth.verifier.verify(forged)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "é.é.é", "\ud800", f"{segment('alg')}.{segment({})}.", "." * 20_000]
)
async def test_what_is_no_token_is_refused(oauth: OAuthServices, token: str) -> None:
    with pytest.raises(InvalidToken):
        await oauth.verifier.verify(token)


async def test_a_token_whose_signature_was_touched_is_refused_though_the_good_one_is_remembered(
    register: Register, oauth: OAuthServices, line: asyncpg.Connection
) -> None:
    token = await token_of(await register())
    await oauth.verifier.verify(token)
    head, payload, signature = token.split(".")
    for touched in (f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}", f"{head}.{payload}."):
        with pytest.raises(InvalidToken):
            await oauth.verifier.verify(touched)


async def test_a_client_assertion_is_no_access_token(register: Register, oauth: OAuthServices) -> None:
    partner = await register(alg="ES256")
    with pytest.raises(InvalidToken):
        await oauth.verifier.verify(partner.assertion(aud=f"{ISSUER}/v1"))


async def test_a_remembered_token_expires_to_the_second(
    register: Register, oauth: OAuthServices, line: asyncpg.Connection
) -> None:
    partner = await register()
    token = await token_of(partner)
    issued = int(partner.clock.now)
    partner.clock.now = issued + 299.9
    await oauth.verifier.verify(token)
    partner.clock.now = issued + 300
    with pytest.raises(InvalidToken, match="expired"):
        await oauth.verifier.verify(token)


async def test_an_agreement_ends_under_a_token_that_is_remembered(
    register: Register, oauth: OAuthServices, line: asyncpg.Connection
) -> None:
    last_day = date(2026, 7, 31)
    partner = await register(ends_on=last_day)
    midnight = datetime(2026, 7, 31, 23, 0, tzinfo=UTC).timestamp()
    partner.clock.now = midnight - 60
    token = await token_of(partner)
    assert (await oauth.verifier.verify(token)).agreement_ends_on == last_day
    partner.clock.now = midnight
    with pytest.raises(AgreementEnded, match=r"DSA-.* ended on 2026-07-31"):
        await oauth.verifier.verify(token)


async def test_a_client_that_has_ended_is_refused_on_its_next_request_where_nobody_watches(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession]
) -> None:
    partner = await register()
    token = await token_of(partner)
    await oauth.verifier.verify(token)
    async with owner.begin() as session:
        await end_client(session, partner.client_id)
    with pytest.raises(InvalidToken, match="has ended"):
        await oauth.verifier.verify(token)


async def test_a_worker_whose_line_is_cut_forgets_what_it_knew_and_watches_again(
    register: Register, oauth: OAuthServices, owner_url: str, owner: async_sessionmaker[AsyncSession]
) -> None:
    pids: list[int] = []
    free = asyncio.Event()
    free.set()

    async def connect() -> asyncpg.Connection:
        await free.wait()
        connection = await asyncpg.connect(owner_url)
        pids.append(connection.get_server_pid())
        return connection

    partner = await register()
    token = await token_of(partner)
    async with watching(connect, oauth, heartbeat_seconds=1.0):
        await oauth.verifier.verify(token)
        free.clear()
        async with owner.begin() as session:
            await session.execute(text("select pg_terminate_backend(:pid)"), {"pid": pids[0]})
        await until(lambda: not oauth.verifier.watching)
        async with owner.begin() as session:
            await end_client(session, partner.client_id)
        with pytest.raises(InvalidToken, match="has ended"):
            await oauth.verifier.verify(token)
        free.set()
        await until(lambda: oauth.verifier.watching)
    assert len(pids) == 2


class PooledConnection(asyncpg.Connection):
    """A connection whose LISTEN went to another session, as behind a transaction pooler."""

    async def add_listener(self, *listens: Any) -> None:
        await super().add_listener(*listens)
        await self.execute("unlisten *")


async def test_a_worker_whose_session_does_not_listen_remembers_nothing(
    register: Register, oauth: OAuthServices, owner_url: str
) -> None:
    token = await token_of(await register())
    with pytest.raises(ConnectionError, match="does not listen"):
        await watch(lambda: asyncpg.connect(owner_url, connection_class=PooledConnection), oauth.verifier, 1)
    first = await oauth.verifier.verify(token)
    assert await oauth.verifier.verify(token) is not first


async def test_what_was_loaded_before_the_worker_listened_is_not_remembered(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], clock: Clock, owner_url: str
) -> None:
    partner = await register()
    loaded, answered = asyncio.Event(), asyncio.Event()

    async def load(client_id: str, scopes: frozenset[str], *, kid: str | None) -> Principal | None:
        principal = await oauth.verifier.load(client_id, scopes, kid=kid)
        loaded.set()
        await answered.wait()
        return principal

    token = await token_of(partner)
    verifier = TokenVerifier(ISSUER, oauth.keys, load, clock)
    verifying = asyncio.create_task(verifier.verify(token))
    await loaded.wait()
    async with owner.begin() as session:
        await end_client(session, partner.client_id)
    listening = asyncio.create_task(watch(lambda: asyncpg.connect(owner_url), verifier))
    await until(lambda: verifier.watching)
    answered.set()
    await verifying
    with pytest.raises(InvalidToken, match="has ended"):
        await verifier.verify(token)
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_client_that_has_ended_is_refused_on_its_next_request(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], line: asyncpg.Connection
) -> None:
    partner = await register()
    token = await token_of(partner)
    await oauth.verifier.verify(token)
    async with owner.begin() as session:
        await end_client(session, partner.client_id)
    await hear(line)
    with pytest.raises(InvalidToken, match="has ended"):
        await oauth.verifier.verify(token)


async def test_the_end_of_one_client_forgets_no_other(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], line: asyncpg.Connection
) -> None:
    ending, staying = await register(), await register()
    token = await token_of(staying)
    principal = await oauth.verifier.verify(token)
    async with owner.begin() as session:
        await end_client(session, ending.client_id)
    await hear(line)
    assert await oauth.verifier.verify(token) is principal


async def test_a_principal_read_while_its_client_changed_is_not_remembered(
    register: Register, oauth: OAuthServices, clock: Clock
) -> None:
    partner = await register()
    token = await token_of(partner)
    reads: list[Principal | None] = []

    async def load(client_id: str, scopes: frozenset[str], *, kid: str | None) -> Principal | None:
        principal = await oauth.verifier.load(client_id, scopes, kid=kid)
        if not reads:
            verifier.forget(client_id)
        reads.append(principal)
        return principal

    verifier = TokenVerifier(ISSUER, oauth.keys, load, clock)
    verifier.start_watching()
    for _ in range(3):
        await verifier.verify(token)
    assert len(reads) == 2


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    register: Register, oauth: OAuthServices, clock: Clock
) -> None:
    partner = await register()
    reads = 0

    async def load(client_id: str, scopes: frozenset[str], *, kid: str | None) -> Principal | None:
        nonlocal reads
        reads += 1
        return await oauth.verifier.load(client_id, scopes, kid=kid)

    verifier = TokenVerifier(ISSUER, oauth.keys, load, clock, max_cached=2)
    verifier.start_watching()
    first, second, third = [await token_of(partner) for _ in range(3)]
    for token in (first, second, third, second, third):
        await verifier.verify(token)
    assert reads == 3
    await verifier.verify(first)
    assert reads == 4


async def test_a_token_gives_who_calls_with_which_records_and_clearances(
    register: Register, oauth: OAuthServices, line: asyncpg.Connection, area: Grant
) -> None:
    school = Grant(area.area_id, RowAccess.SCHOOL, area.key)
    partner = await register(Role.SCHOOL_MIS, grants=(area, school))
    token = await token_of(partner, "referrals:read services:read")
    principal = await oauth.verifier.verify(token)
    assert principal.client_id == partner.client_id
    assert principal.organisation == f"Organisation of {Role.SCHOOL_MIS}"
    assert (principal.role, principal.row_access) == (Role.SCHOOL_MIS, RowAccess.SCHOOL)
    assert principal.scopes == {"referrals:read", "services:read"}
    assert principal.clearances == {FieldSensitivity.IDENTITY, FieldSensitivity.UPN}
    assert set(principal.grants) == {area, school}
    assert principal.areas == (area.area_id,)
    assert principal.purposes == ("direct support", "triage meeting")
    assert principal.purpose == "direct support"
    assert len(principal.pseudonym_key) == 32
    assert await oauth.verifier.verify(token) is principal


async def test_a_commissioner_sees_pupils_only_with_a_token_that_asked_to(
    register: Register, oauth: OAuthServices
) -> None:
    partner = await register(Role.COMMISSIONER)
    plain = await oauth.verifier.verify(await token_of(partner, "referrals:read"))
    naming = await oauth.verifier.verify(await token_of(partner, "referrals:read pupils:identify"))
    assert (plain.clearances, naming.clearances) == (frozenset({FieldSensitivity.PERSON}), frozenset(FieldSensitivity))


async def test_a_scope_taken_from_a_client_is_gone_from_the_tokens_it_has(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], line: asyncpg.Connection
) -> None:
    partner = await register(Role.COMMISSIONER)
    token = await token_of(partner, "referrals:read pupils:identify")
    await oauth.verifier.verify(token)
    kept = sorted(ROLES[Role.COMMISSIONER].scopes - {"pupils:identify"})
    async with owner.begin() as session:
        await (await session.connection()).exec_driver_sql(
            "update client set scopes = $1 where client_id = $2", (kept, partner.client_id)
        )
    await hear(line)
    principal = await oauth.verifier.verify(token)
    assert (principal.scopes, principal.clearances) == ({"referrals:read"}, frozenset({FieldSensitivity.PERSON}))


async def test_many_requests_with_one_new_token_at_once_all_pass(
    register: Register, oauth: OAuthServices, line: asyncpg.Connection
) -> None:
    token = await token_of(await register())
    principals = await asyncio.gather(*(oauth.verifier.verify(token) for _ in range(8)))
    assert len(set(principals)) == 1


async def test_tokens_of_a_key_that_was_just_retired_still_count(
    register: Register, oauth: OAuthServices, clock: Clock
) -> None:
    partner = await register()
    retired = ECKey.generate_key("P-256", {"kid": "last", "alg": "ES256"})
    before = type(oauth.keys)(retired, {"last": retired})
    after = type(oauth.keys)(oauth.keys.signing, {**oauth.keys.by_kid, "last": retired})
    token = issue_access_token(before, ISSUER, partner.client_id, ["referrals:read"], clock.now)
    principal = await TokenVerifier(ISSUER, after, oauth.verifier.load, clock).verify(token)
    assert principal.client_id == partner.client_id


def test_no_two_organisations_share_a_pseudonym_key(area: Grant) -> None:
    secret = bytes(32)
    other = area.area_id.int ^ 1
    assert key_of_organisation(secret, area.area_id) == key_of_organisation(secret, area.area_id)
    assert key_of_organisation(secret, area.area_id) != key_of_organisation(secret, type(area.area_id)(int=other))
    assert key_of_organisation(secret, area.area_id) != key_of_organisation(b"\1" * 32, area.area_id)
