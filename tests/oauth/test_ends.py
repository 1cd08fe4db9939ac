"""What a client may do changes under the tokens that it has, however the change is made."""

from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from support.oauth_clients import Register, new_key
from support.watched_tokens import hear, token_of

from convenor.security.principal import Grant
from convenor_auth.clients import add_key, end_key
from convenor_auth.oauth_services import OAuthServices
from convenor_auth.tokens import AgreementEnded, InvalidToken

ENDS = {
    "its agreement ended": (
        "update data_sharing_agreement set ends_on = starts_on"
        " where id = (select agreement_id from client where client_id = $1)",
        AgreementEnded,
    ),
    "it moved to an agreement that has ended": (
        "with a as (insert into data_sharing_agreement"
        " (id, organisation_id, reference, purposes, legal_basis, starts_on, ends_on)"
        " select gen_random_uuid(), organisation_id, gen_random_uuid()::text, '{p}', 'b', '2020-09-01', '2020-09-01'"
        " from client where client_id = $1 returning id)"
        " update client set agreement_id = a.id from a where client_id = $1",
        AgreementEnded,
    ),
    "it ended": ("update client set ended_at = now() where client_id = $1", InvalidToken),
    "its key ended": ("update client_key set ended_at = now() where client_id = $1", InvalidToken),
    "its key was deleted": ("delete from client_key where client_id = $1", InvalidToken),
}
"""What ends a client's access, as a statement with its id: no command and no rule between."""


@pytest.mark.parametrize(("statement", "refusal"), ENDS.values(), ids=ENDS)
async def test_a_remembered_token_is_refused_on_the_next_request_after(
    register: Register,
    oauth: OAuthServices,
    owner: async_sessionmaker[AsyncSession],
    line: asyncpg.Connection,
    statement: str,
    refusal: type[Exception],
) -> None:
    partner, other = await register(alg="ES256"), await register(alg="ES256")
    token, staying = [(await each.present(each.assertion())).json()["access_token"] for each in (partner, other)]
    await oauth.verifier.verify(token)
    remembered = await oauth.verifier.verify(staying)
    async with owner.begin() as session:
        await (await session.connection()).exec_driver_sql(statement, (partner.client_id,))
    await hear(line)
    with pytest.raises(refusal):
        await oauth.verifier.verify(token)
    assert await oauth.verifier.verify(staying) is remembered


async def test_a_token_ends_with_the_key_it_was_got_with_and_not_with_another_of_its_client(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], line: asyncpg.Connection
) -> None:
    partner, second = await register(alg="ES256"), new_key("ES384")
    async with owner.begin() as session:
        await add_key(session, partner.client_id, second.as_dict(private=False))
    first_token = (await partner.present(partner.assertion())).json()["access_token"]
    heading = {"kid": second.kid, "alg": "ES384"}
    second_token = (await partner.present(partner.assertion(key=second, header=heading))).json()["access_token"]
    for token in (first_token, second_token):
        await oauth.verifier.verify(token)
    async with owner.begin() as session:
        await end_key(session, partner.client_id, partner.key.kid)
    await hear(line)
    with pytest.raises(InvalidToken, match="the client's key has"):
        await oauth.verifier.verify(first_token)
    await oauth.verifier.verify(second_token)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into client_grant (client_id, kind, area_id, key) values ($1, 'school', $2, $3)",
        "update client_grant set kind = 'school', key = $3 where client_id = $1 and area_id = $2",
        "delete from client_grant where client_id = $1 and area_id = $2 and key <> $3",
    ],
)
async def test_a_remembered_token_stands_for_what_is_granted_now(
    register: Register,
    oauth: OAuthServices,
    owner: async_sessionmaker[AsyncSession],
    line: asyncpg.Connection,
    area: Grant,
    statement: str,
) -> None:
    partner = await register(grants=(area,))
    token = await token_of(partner)
    assert (await oauth.verifier.verify(token)).grants == (area,)
    async with owner.begin() as session:
        values = (partner.client_id, area.area_id, uuid4())
        await (await session.connection()).exec_driver_sql(statement, values)
    await hear(line)
    assert (await oauth.verifier.verify(token)).grants != (area,)


async def test_the_organisation_s_name_is_the_one_it_has_now(
    register: Register, oauth: OAuthServices, owner: async_sessionmaker[AsyncSession], line: asyncpg.Connection
) -> None:
    token = await token_of(await register())
    organisation_id = (await oauth.verifier.verify(token)).organisation_id
    async with owner.begin() as session:
        await session.execute(
            text("update organisation set name = 'Quay School' where id = :id"), {"id": organisation_id}
        )
    await hear(line)
    assert (await oauth.verifier.verify(token)).organisation == "Quay School"
