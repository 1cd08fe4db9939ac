"""Callers that share one connection never see through each other's context."""

import asyncpg
import pytest
from support.api_client import Service, pupil_referral

from convenor.read_model.execute import read_list
from convenor.read_model.list_query import parse_query
from convenor.referrals.resource import REFERRALS
from convenor.security.principal import Principal
from convenor_auth.keys import load_pseudonym_secret
from convenor_auth.principals import load_principal


async def _principal(service: Service, key: str) -> Principal:
    client = service.area().clients[key]
    secret = load_pseudonym_secret(service.data_dir)
    principal = await load_principal(service.services.readers, client.client_id, client.scopes, secret)
    assert principal
    return principal


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_then_b_then_a_then_nobody_on_one_connection(service: Service, plans: str) -> None:
    await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
    await service.as_("far_school").post(
        "/v1/referrals", pupil_referral("SLT", urn="900003", upn=None, nhs_number=None)
    )
    school, far = await _principal(service, "school"), await _principal(service, "far_school")
    connection = await asyncpg.connect(service.app_url, server_settings={"plan_cache_mode": plans})
    everything = parse_query(REFERRALS, b"")

    async def seen(principal: Principal) -> set[object]:
        return set((await read_list(connection, principal, REFERRALS, everything)).ids)

    first = await seen(school)
    assert len(first) == 1
    for _ in range(7):
        others = await seen(far)
        assert len(others) == 1
        assert not others & first
        assert await seen(school) == first
        assert await connection.fetchval("select count(*) from referral") == 0
    await connection.close()
