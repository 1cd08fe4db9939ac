"""One query is one statement; its audit names what it shows; and each of the two checks of access hides alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from graphql_api.test_hidden import Found, assert_hidden, named, roots
from support.api_client import Service
from support.databases import Server, serve
from support.dataset import Dataset
from support.graphql_dataset import AREAS, GraphDataset
from support.graphql_requests import asked, codes
from support.records import make_records, may_see, people, truth_of

from convenor.http.services import AppServices
from convenor.read_model import row_access
from convenor.read_model.plan import compile_plan, compile_selection

DEEP = """
query ($first: Int!) {
  referrals(first: $first) { totalCount edges { node {
    id
    subject { ... on PupilSubject { pupil { id pseudonym } } }
    service { id referrals(first: 5) { edges { node { id transitions { edges { node { id } } } } } } }
    school { id services { edges { node { id } } } }
    contacts(first: 20) { edges { node { id referral { id } outcomes { edges { node { id } } } } } }
  } } }
  clusters { edges { node { id schools { edges { node { id school { id } } } } } } }
}
"""


class Counted:
    """The pool of readers, with every statement that is sent through it."""

    def __init__(self, pool: Any) -> None:
        self.pool, self.statements = pool, list[str]()

    async def fetchrow(self, statement: str, *values: Any) -> Any:
        """The first row."""
        self.statements.append(statement)
        return await self.pool.fetchrow(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)


@pytest.fixture
async def counted(graph_dataset: GraphDataset) -> AsyncIterator[Counted]:
    app = graph_dataset.service.app
    services = AppServices.of(app)
    counted = Counted(services.readers)
    replace(services, readers=counted).provide(app)
    yield counted
    services.provide(app)


async def test_a_query_as_wide_and_deep_as_one_likes_is_one_statement(
    graph_dataset: GraphDataset, counted: Counted
) -> None:
    for who in ("commissioner@wendshire", "trust@wendshire", "two schools", "trust of two"):
        caller = graph_dataset.callers[who]
        await caller.authorise()
        await asked(caller, "{ __typename }")
        counted.statements.clear()
        answer = await asked(caller, DEEP, first=20)
        assert answer.json()["data"]["referrals"]["edges"], answer.text
        assert len(counted.statements) == 1, who


async def test_a_query_of_the_schema_alone_reads_nothing(graph_dataset: GraphDataset, counted: Counted) -> None:
    caller = graph_dataset.callers["board@wendshire"]
    await caller.authorise()
    await asked(caller, "{ __typename }")
    counted.statements.clear()
    assert "errors" not in (await asked(caller, "{ __typename __schema { types { name } } }")).json()
    assert counted.statements == []


async def test_what_is_refused_reads_nothing(graph_dataset: GraphDataset, counted: Counted) -> None:
    caller = graph_dataset.callers["board@wendshire"]
    await caller.authorise()
    await asked(caller, "{ __typename }")
    counted.statements.clear()
    assert codes(await asked(caller, DEEP, first=20)) == ["scope_missing"]
    assert counted.statements == []


async def test_a_query_that_is_repeated_compiles_nothing_anew(graph_dataset: GraphDataset) -> None:
    compile_selection.cache_clear()
    for who in ("school@wendshire", "school@fenmark", "neighbour@wendshire", "school@wendshire"):
        assert (await asked(graph_dataset.callers[who], DEEP, first=3)).status_code == 200
    known = compile_selection.cache_info()
    assert (known.misses, known.hits) == (1, 3)


async def test_a_caller_s_own_values_are_no_part_of_what_is_kept(graph_dataset: GraphDataset) -> None:
    query = "query ($id: ID!, $school: String) { referral(id: $id) { id } referrals(school: $school) { totalCount } }"
    compile_selection.cache_clear()
    for row in graph_dataset.records["referrals"][:5]:
        caller = graph_dataset.callers["commissioner of two"]
        answer = await asked(caller, query, id=row["id"], school=row["school_id"])
        assert answer.json()["data"]["referral"] == {"id": row["id"]}
    assert compile_selection.cache_info().misses == 1


def ids_of(value: Any) -> set[str]:
    """Every id of an answer but those of pupils."""
    if isinstance(value, dict):
        own = {value["id"]} if "id" in value and "pseudonym" not in value else set()
        return own.union(*(ids_of(member) for member in value.values()))
    return set().union(*(ids_of(member) for member in value)) if isinstance(value, list) else set()


def pupils_of(value: Any) -> set[str]:
    """The ids of the pupils in an answer."""
    if isinstance(value, dict):
        own = {value["id"]} if value.get("pseudonym") and value["id"] else set()
        return own.union(*(pupils_of(member) for member in value.values()))
    return set().union(*(pupils_of(member) for member in value)) if isinstance(value, list) else set()


async def event_of(graph_dataset: GraphDataset, area: str, answer: Any) -> dict[str, Any] | None:
    """What an area's audit tells of a request; it is told once at most."""
    auditor = graph_dataset.callers[f"auditor@{area}"]
    events = (await auditor.get("/v1/audit/events", action="graphql:query", limit=200)).json()["data"]
    found = [event for event in events if event["request_id"] == answer.headers["x-request-id"]]
    assert len(found) <= 1
    return found[0] if found else None


async def assert_about(graph_dataset: GraphDataset, area: str, event: dict[str, Any], pupils: set[str]) -> None:
    """That an event is found by each of these pupils, of whom there are some."""
    assert pupils
    auditor = graph_dataset.callers[f"auditor@{area}"]
    for pupil in pupils:
        about = await auditor.get("/v1/audit/events", pupil=pupil, action="graphql:query", limit=200)
        assert event in about.json()["data"], pupil


@pytest.mark.parametrize("who", ["school@wendshire", "trust@wendshire", "identifying_commissioner@fenmark"])
async def test_the_event_of_a_query_names_every_record_and_pupil_once(graph_dataset: GraphDataset, who: str) -> None:
    answer = await asked(graph_dataset.callers[who], DEEP, first=20)
    event = await event_of(graph_dataset, who.partition("@")[2], answer)
    assert event
    assert len(event["records"]) == len(set(event["records"]))
    assert set(event["records"]) == ids_of(answer.json()["data"])
    assert len(event["subjects"]) == len(set(event["subjects"]))
    await assert_about(graph_dataset, who.partition("@")[2], event, pupils_of(answer.json()["data"]))


async def test_a_pupil_is_named_though_only_what_hangs_on_the_case_is_shown(graph_dataset: GraphDataset) -> None:
    trust = graph_dataset.callers["trust@wendshire"]
    answer = await asked(trust, "{ contacts { edges { node { id } } } }")
    event = await event_of(graph_dataset, "wendshire", answer)
    shown = (
        await asked(
            trust,
            "{ contacts { edges { node { referral { subject { ... on PupilSubject { pupil {"
            " id pseudonym } } } } } } } }",
        )
    ).json()
    assert event
    assert len(event["subjects"]) == len(pupils_of(shown["data"]))
    await assert_about(graph_dataset, "wendshire", event, pupils_of(shown["data"]))


async def test_each_area_s_audit_names_its_own_alone(graph_dataset: GraphDataset) -> None:
    answer = await asked(graph_dataset.callers["trust of two"], DEEP, first=20)
    recorded = {area: await event_of(graph_dataset, area, answer) for area in AREAS}
    named_in, subjects = [], []
    for area in AREAS:
        event = recorded[area]
        assert event
        assert len(event["records"]) == len(set(event["records"]))
        board = graph_dataset.callers[f"commissioner@{area}"]
        by_area = {row["id"] for row in (await board.get("/v1/referrals", limit=200)).json()["data"]}
        shown = {row["id"] for row in graph_dataset.records["referrals"]} & set(event["records"])
        assert shown <= by_area
        assert shown
        named_in.append(set(event["records"]))
        subjects.append(set(event["subjects"]))
    assert not named_in[0] & named_in[1]
    assert not subjects[0] & subjects[1]
    assert named_in[0] | named_in[1] == ids_of(answer.json()["data"])
    assert len(subjects[0] | subjects[1]) >= len(pupils_of(answer.json()["data"])) > 0


async def test_a_query_of_one_area_s_record_is_no_concern_of_the_other(graph_dataset: GraphDataset) -> None:
    own = (await graph_dataset.callers["trust@fenmark"].get("/v1/referrals")).json()["data"][0]["id"]
    answer = await asked(graph_dataset.callers["trust of two"], f'{{ referral(id: "{own}") {{ id }} }}')
    assert answer.json()["data"] == {"referral": {"id": own}}
    event = await event_of(graph_dataset, "fenmark", answer)
    assert event
    assert event["records"] == [own]
    other = await event_of(graph_dataset, "wendshire", answer)
    assert other is None or other["records"] == []


@pytest.fixture(scope="module")
async def peopled(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    async with serve(server, dataset) as service:
        await make_records(service)
        yield service


TABLES = {
    "Referral": "referral",
    "Contact": "contact",
    "Outcome": "outcome",
    "Transition": "referral_transition",
    "ImpactReturn": "impact_return",
    "ReturnTransition": "impact_return_transition",
    "Sla": "sla",
    "SlaTransition": "sla_transition",
}
"""The table of each kind of case, for `records.TRUTH`."""


async def _assert_reach(service: Service) -> None:
    """Every way from every list, and from every record of both areas, for everybody."""
    lists = {"referrals": "/v1/referrals", "services": "/v1/services", "slas": "/v1/slas", "schools": "/v1/schools"}
    records: dict[str, list[Any]] = {}
    for name, path in lists.items():
        pages = [await service.as_("commissioner", area).get(path, limit="200") for area in AREAS]
        records[name] = [row for page in pages for row in page.json()["data"]]
    truth = await truth_of(service.superuser_url)
    for person in people(service.dataset):
        caller = service.as_(person.key, person.area)
        shown: Found = {
            kind: {str(record.id) for record in truth[table] if may_see(person, table, record)}
            for kind, table in TABLES.items()
        }
        for query in (*roots(caller.client.scopes, 4), *named(records, caller.client.scopes)):
            answer = await asked(caller, query)
            assert answer.status_code == 200, answer.text
            assert_hidden(answer, shown, person.key, query)


def _forget() -> None:
    compile_plan.cache_clear()
    compile_selection.cache_clear()


async def test_row_level_security_alone_still_hides_everything(
    peopled: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_access, "row_access_predicate", lambda rows, binds: [])
    _forget()
    try:
        await _assert_reach(peopled)
    finally:
        _forget()


async def test_the_explicit_predicate_alone_still_hides_everything(peopled: Service) -> None:
    admin = await asyncpg.connect(peopled.superuser_url)
    tables = [row[0] for row in await admin.fetch("select relname from pg_class where relrowsecurity")]
    try:
        for table in tables:
            await admin.execute(f'alter table "{table}" disable row level security')
        await _assert_reach(peopled)
    finally:
        for table in tables:
            await admin.execute(f'alter table "{table}" enable row level security')
        await admin.close()
