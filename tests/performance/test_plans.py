"""How the database finds what the reading machine asks for: by an index, in order, whatever the caller reaches."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import event
from support.api_client import Service
from support.databases import Server, named, serve
from support.dataset import Dataset
from support.query_plans import Explained, assert_bounded, scans_of
from support.seeded_rows import seed

from convenor.contacts.resource import CONTACTS
from convenor.database.pools import driver_connection
from convenor.database.row_security import set_context_of
from convenor.encryption import encrypt
from convenor.http.services import AppServices
from convenor.outcomes.resource import OUTCOMES
from convenor.read_model.execute import read_list, read_one
from convenor.read_model.list_query import parse_query
from convenor.read_model.resource import Resource
from convenor.referrals.queries import known_concerned, known_of_birth
from convenor.referrals.resource import REFERRALS, TRANSITIONS
from convenor.security.principal import Grant, Principal, RowAccess
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal

AREA, SCHOOL, PROVIDER = "commissioner", "school", "trust"


@pytest.fixture(scope="module")
async def seeded(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    async with serve(server, dataset) as service:
        await seed(service.superuser_url, service.area())
        owner_url, keys = (
            named(server.owner_url, urlsplit(service.app_url).path[1:]),
            load_secret_keys(service.data_dir),
        )
        await asyncio.to_thread(encrypt, service.app_url, owner_url, keys.sealer)
        # Or the planner would weigh indexes of twice their size.
        admin = await asyncpg.connect(service.superuser_url)
        await admin.execute("vacuum full analyze")
        await admin.close()
        yield service


@pytest.fixture(params=["custom", "generic"])
async def explained(seeded: Service, request: pytest.FixtureRequest) -> AsyncIterator[Explained]:
    connection = await asyncpg.connect(seeded.app_url, server_settings={"jit": "off"})
    yield Explained(connection, request.param == "generic")
    await connection.close()


async def principal(service: Service, key: str) -> Principal:
    client = service.area().clients[key]
    secret = load_secret_keys(service.data_dir)
    found = await load_principal(service.services.readers, client.client_id, client.scopes, secret)
    assert found
    return found


async def listed(
    explained: Explained,
    who: Principal,
    resource: Resource,
    asked: str = "",
    under: tuple[Resource, str, str] | None = None,
    searched: Mapping[str, str] | None = None,
) -> list[object]:
    """The ids of a list's page, whose plan is checked."""
    answer = await read_list(explained, who, resource, parse_query(resource, asked.encode(), searched), under)
    assert_bounded(explained.plans[-1])
    return list(answer.ids)


@pytest.mark.parametrize(
    ("key", "index"),
    [(AREA, "referral_by_time"), (SCHOOL, "referral_by_school"), (PROVIDER, "referral_by_provider")],
)
async def test_each_reach_has_an_index_that_gives_its_referrals_in_order(
    seeded: Service, explained: Explained, key: str, index: str
) -> None:
    who = await principal(seeded, key)
    assert len(await listed(explained, who, REFERRALS)) == 50
    assert scans_of(explained.plans[-1], "referral") == {index}
    first = await read_list(explained, who, REFERRALS, parse_query(REFERRALS, b""))
    assert len(await listed(explained, who, REFERRALS, f"cursor={first.next}")) == 50
    assert scans_of(explained.plans[-1], "referral") == {index}


@pytest.mark.parametrize(
    ("kind", "index"), [(RowAccess.SCHOOL, "referral_by_school"), (RowAccess.PROVIDER, "referral_by_provider")]
)
async def test_several_schools_or_providers_are_a_page_of_each_and_never_all_that_is_theirs(
    seeded: Service, explained: Explained, kind: RowAccess, index: str
) -> None:
    area, key = seeded.area(), {RowAccess.SCHOOL: SCHOOL, RowAccess.PROVIDER: PROVIDER}[kind]
    records = {RowAccess.SCHOOL: area.schools, RowAccess.PROVIDER: area.providers}[kind]
    who = replace(
        await principal(seeded, key), grants=tuple(Grant(area.id, kind, record) for record in records.values())
    )
    assert len(await listed(explained, who, REFERRALS)) == 50
    assert scans_of(explained.plans[-1], "referral") == {index}


@pytest.mark.parametrize(
    ("asked", "indexes"),
    [
        ("service=SLT", {"referral_by_service"}),
        ("school=900002", {"referral_by_school"}),
        ("cluster=2", {"referral_by_cluster"}),
        ("status=submitted", {"referral_by_time"}),
        ("submitted_after=2022-01-01T00:00:00Z", {"referral_by_time"}),
    ],
)
async def test_what_is_searched_by_leads_an_index_or_is_passed_over_in_order(
    seeded: Service, explained: Explained, asked: str, indexes: set[str]
) -> None:
    assert len(await listed(explained, await principal(seeded, AREA), REFERRALS, asked)) == 50
    assert scans_of(explained.plans[-1], "referral") == indexes


@pytest.mark.parametrize(
    ("asked", "searched"),
    [("open=true", {}), ("", {"upn": "B801200005001"}), ("", {"nhs_number": "9990000018"})],
)
async def test_the_few_that_are_open_or_a_pupil_s_are_found_without_the_rest(
    seeded: Service, explained: Explained, asked: str, searched: Mapping[str, str]
) -> None:
    who = await principal(seeded, "identifying_commissioner")
    await listed(explained, who, REFERRALS, asked, searched=searched)


@pytest.mark.parametrize("key", [AREA, SCHOOL, PROVIDER])
async def test_one_referral_is_found_by_its_id_and_by_its_code(seeded: Service, explained: Explained, key: str) -> None:
    who = await principal(seeded, key)
    page = await read_list(explained, who, REFERRALS, parse_query(REFERRALS, b"limit=1"))
    (shown,) = json.loads(page.body)["data"]
    for name in (shown["id"], shown["code"]):
        found = await read_one(explained, who, REFERRALS, name)
        assert json.loads(found.body)["id"] == shown["id"]
        assert_bounded(explained.plans[-1])
        assert len(scans_of(explained.plans[-1], "referral")) <= 1


@pytest.mark.parametrize("key", [AREA, SCHOOL, PROVIDER])
@pytest.mark.parametrize(
    ("resource", "relation", "index"),
    [
        (CONTACTS, "contacts", "contact_by_referral"),
        (OUTCOMES, "outcomes", "outcome_by_referral"),
        (TRANSITIONS, "transitions", "transition_by_referral"),
    ],
)
async def test_what_hangs_on_a_referral_is_found_by_it(
    seeded: Service, explained: Explained, key: str, resource: Resource, relation: str, index: str
) -> None:
    who = await principal(seeded, key)
    (one,) = await listed(explained, who, REFERRALS, "limit=1")
    assert await listed(explained, who, resource, under=(REFERRALS, relation, str(one)))
    assert scans_of(explained.plans[-1], resource.table) == {index}
    if "referral" in resource.filters:
        assert await listed(explained, who, resource, f"referral={one}")
        assert scans_of(explained.plans[-1], resource.table) == {index}


@pytest.mark.parametrize("resource", [CONTACTS, OUTCOMES])
@pytest.mark.parametrize(("key", "by"), [(AREA, "time"), (SCHOOL, "school"), (PROVIDER, "provider")])
async def test_each_reach_has_an_index_that_gives_its_sessions_and_outcomes_in_order(
    seeded: Service, explained: Explained, resource: Resource, key: str, by: str
) -> None:
    assert len(await listed(explained, await principal(seeded, key), resource)) == 50
    assert scans_of(explained.plans[-1], resource.table) == {f"{resource.table}_by_{by}"}


@pytest.mark.parametrize(
    ("known", "arguments"),
    [
        (known_concerned, ({"upn": "B8012000100", "nhs_number": "9990000018"}, [UUID(int=1)])),
        (known_of_birth, (date(2011, 5, 4),)),
    ],
)
async def test_what_a_new_statement_can_concern_is_found_by_indexes(
    seeded: Service, known: Any, arguments: tuple[Any, ...]
) -> None:
    area = seeded.area()
    asked: list[tuple[str, tuple[object, ...]]] = []
    async with seeded.services.sessions() as session, session.begin():
        await set_context_of(session, await principal(seeded, SCHOOL))
        engine = seeded.services.sessions.kw["bind"].sync_engine

        def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_how: Any) -> None:
            asked.append((sql, parameters))

        event.listen(engine, "before_cursor_execute", note)
        await known(session, area.id, [area.schools["900001"]], *arguments)
        event.remove(engine, "before_cursor_execute", note)
        ((sql, parameters),) = asked
        connection = await driver_connection(session)
        plan = (await connection.fetchval(f"explain (verbose, format json) {sql}", *parameters))[0]["Plan"]
    assert_bounded(plan)


@pytest.fixture
def answering(seeded: Service, explained: Explained) -> Iterator[Service]:
    """The application, asking on the connection that explains."""
    services = AppServices.of(seeded.app)
    replace(services, readers=explained).provide(seeded.app)
    yield seeded
    services.provide(seeded.app)


async def test_a_nested_question_takes_a_page_of_each_record_by_an_index(
    answering: Service, explained: Explained
) -> None:
    question = (
        "{ clusters(first: 20) { edges { node { code schools(first: 20) { edges { node { name referrals(first: 20)"
        " { edges { node { code status contacts(first: 5) { edges { node { on } } } } } } } } } } } } }"
    )
    answer = await answering.as_(AREA).call("POST", "/graphql", json={"query": question})
    assert answer.status_code == 200, answer.text
    assert answer.text.count('"on"') == 4 * 20 * 3
    (plan,) = explained.plans
    assert_bounded(plan)
    assert "referral_by_school" in scans_of(plan, "referral")
    assert scans_of(plan, "contact") == {"contact_by_referral"}
