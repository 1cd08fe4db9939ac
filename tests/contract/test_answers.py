"""What is answered is what is documented: every read, for every role, over records of every kind, byte for byte."""

import copy
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.api_client import Service, pupil_referral
from support.databases import Server, serve
from support.dataset import Dataset
from support.records import make_records

from convenor.http.read_routes import ReadRoute
from convenor.http.route_index import routes_of
from convenor.read_model.columns import redacted_paths
from convenor.read_model.resource import Resource
from convenor.security.principal import Role

CALLERS = (
    "school",
    "far_school",
    "trust",
    "second_trust",
    "charity",
    "cluster_lead",
    "commissioner",
    "identifying_commissioner",
    "finance",
    "board",
    "auditor",
)


@pytest.fixture(scope="module")
async def full(server: Server, dataset: Dataset) -> AsyncIterator[Service]:
    """The application over records of every kind."""
    async with serve(server, dataset) as served:
        await make_records(served)
        await served.as_("school").post("/v1/referrals", pupil_referral("SLT"))
        yield served


@pytest.fixture(scope="module")
def documented(full: Service) -> dict[str, Any]:
    """The contract, closed: what is not documented is an error."""
    contract = copy.deepcopy(full.app.openapi())
    for schema in contract["components"]["schemas"].values():
        close(schema)
    return contract


def close(schema: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for member in schema.values():
            close(member)
    elif isinstance(schema, list):
        for member in schema:
            close(member)


def reads(service: Service, *, many: bool) -> list[ReadRoute]:
    return [route for route in routes_of(service.app) if isinstance(route, ReadRoute) and route.reading.many is many]


def faults(contract: dict[str, Any], route: ReadRoute, body: Any) -> list[str]:
    """Where an answer is not as documented."""
    (described,) = (contract["paths"][route.path][method.lower()] for method in route.methods - {"HEAD"})
    answer = described["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"] | {"components": contract["components"]}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{route.path} {error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def holders(record: Any, path: str) -> Iterator[dict[str, Any]]:
    """The objects of a record that may hold the field at a dotted path."""
    head, _, rest = path.partition(".")
    if isinstance(record, list):
        for member in record:
            yield from holders(member, path)
    elif isinstance(record, dict):
        if not rest:
            yield record
        elif head in record:
            yield from holders(record[head], rest)


def wrongly_shown(resource: Resource, record: dict[str, Any]) -> list[str]:
    """The hidden fields that are there although they are listed as redacted, or missing although they are not."""
    listed = record.get("redacted", [])
    return [
        path
        for path in redacted_paths(resource, frozenset())
        for holder in holders(record, path)
        if (path.rpartition(".")[2] in holder) is (path in listed)
    ]


async def pages(service: Service, key: str) -> list[tuple[ReadRoute, Any]]:
    """Everything that one caller reads in lists: those of their own, then those under each parent that it sees."""
    caller, client = service.as_(key), service.area().clients[key]
    found: list[tuple[ReadRoute, Any]] = []
    seen: dict[str, list[dict[str, Any]]] = {}
    for route in reads(service, many=True):
        if route.reading.search:
            given = {"upn": "B801200005001"} if client.role == Role.SCHOOL_MIS else {"nhs_number": "9990000018"}
            if client.role in (Role.SCHOOL_MIS, Role.HEALTH_SYSTEM):
                answer = await caller.search(given, limit=200, count="true")
                assert answer.status_code == 200, f"{key}: {answer.text}"
                found.append((route, answer.json()))
            continue
        if route.operation.scope not in client.scopes:
            continue
        under = route.reading.under
        places = (
            [re.sub(r"{\w+}", each["id"], route.path) for each in seen.get(under.name, [])] if under else [route.path]
        )
        for place in places:
            answer = await caller.get(place, limit=200, count="true")
            assert answer.status_code == 200, f"{key} {place}: {answer.text}"
            found.append((route, answer.json()))
            if not under:
                seen[route.reading.resource.name] = answer.json()["data"]
    return found


@pytest.mark.parametrize("key", CALLERS)
async def test_every_list_is_as_documented(full: Service, documented: dict[str, Any], key: str) -> None:
    for route, body in await pages(full, key):
        assert faults(documented, route, body) == []
        assert body["count"] == len(body["data"]) or body["next"]
        for record in body["data"]:
            assert wrongly_shown(route.reading.resource, record) == []


@pytest.mark.parametrize("key", CALLERS)
async def test_every_record_is_as_documented_with_the_fields_of_its_list(
    full: Service, documented: dict[str, Any], key: str
) -> None:
    by_resource = {route.reading.resource: route for route in reads(full, many=False)}
    for listed, body in await pages(full, key):
        resource = listed.reading.resource
        if resource not in by_resource:
            continue
        route = by_resource[resource]
        for record in body["data"]:
            place = re.sub(r"{\w+}", record["id"], route.path)
            answer = await full.as_(key).get(place)
            assert answer.status_code == 200, f"{key} {place}: {answer.text}"
            assert faults(documented, route, answer.json()) == []
            assert wrongly_shown(resource, answer.json()) == []
            # Not equal: what is computed for the moment (waits) carries the moment.
            assert answer.json().keys() == record.keys()
            assert ("ETag" in answer.headers) is bool(resource.etag)


async def test_no_list_was_empty_for_everybody(full: Service) -> None:
    shown = [(route.path, bool(body["data"])) for key in CALLERS for route, body in await pages(full, key)]
    assert {path for path, any_ in shown if any_} == {route.path for route in reads(full, many=True)}


async def test_a_caller_without_the_scope_is_told_which_one_it_lacks(full: Service) -> None:
    for key in CALLERS:
        for route in reads(full, many=True):
            scope = route.operation.scope
            if scope not in full.area().clients[key].scopes:
                refused = await full.as_(key).get(re.sub(r"{\w+}", "1", route.path))
                assert (refused.status_code, refused.json()["scope"]) == (403, scope)


async def test_a_resource_with_walls_says_what_it_hides(full: Service) -> None:
    for route in reads(full, many=True):
        resource = route.reading.resource
        assert ("redacted" in resource.read.model_fields) is bool(redacted_paths(resource, frozenset()))


async def test_the_fields_that_are_documented_are_the_fields_that_come(full: Service) -> None:
    for key in CALLERS:
        for route, body in await pages(full, key):
            resource = route.reading.resource
            fields = {info.alias or name for name, info in resource.read.model_fields.items()}
            for record in body["data"]:
                assert set(record) == fields - set(record.get("redacted", []))
