"""Query strings: what no address takes is refused in the same words at every one."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from support.api_client import Service

from convenor.features import FEATURES
from convenor.read_model.resource import Filter

LIST = ("commissioner", "GET", "/v1/referrals", "limit")
RECORD = ("commissioner", "GET", "/v1/schools/900001", "fields")
QUESTION = ("board", "GET", "/v1/insights/referrals", "academic_year")
BARE_QUESTION = ("school", "GET", "/v1/me", None)
WRITE = ("school", "POST", "/v1/referrals", None)
LOAD = ("trust", "POST", "/v1/bulk/contacts", "dry_run")
"""Who asks, how, what, and a parameter that is taken there."""


def words_of(declared: Filter) -> list[str]:
    """Return the words that a filter takes, as the contract lists them."""
    schema = declared.adapter.json_schema()
    items = schema["items"]
    found: list[str] = schema["$defs"][items["$ref"].rpartition("/")[2]]["enum"] if "$ref" in items else items["enum"]
    return found


EACH_KIND = pytest.mark.parametrize(
    "asked", [LIST, RECORD, QUESTION, BARE_QUESTION, WRITE, LOAD], ids=lambda call: call[2]
)


async def ask(service: Service, asked: tuple[str, str, str, str | None], query: str) -> httpx2.Response:
    who, method, path, _ = asked
    kind = "application/x-ndjson" if asked is LOAD else "application/json"
    how: dict[str, Any] = {"content": b"{}", "headers": {"Content-Type": kind, "Idempotency-Key": "k"}}
    return await service.as_(who).call(method, f"{path}?{query}", **(how if method == "POST" else {}))


def faults_of(refused: httpx2.Response) -> list[tuple[str, str]]:
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), refused.text
    return [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]]


@EACH_KIND
async def test_a_parameter_that_is_not_taken_is_named_with_those_that_are(shared_service: Service, asked: Any) -> None:
    refused = await ask(shared_service, asked, "colour=blue&colour=red&a/b~c=")
    assert faults_of(refused) == [("/query/colour", "unknown_parameter"), ("/query/a~1b~0c", "unknown_parameter")]
    takes, detail = asked[3], refused.json()["errors"][0]["detail"]
    assert takes in detail if takes else detail == "This address accepts no parameters."


@pytest.mark.parametrize("query", ["colour=%ff", "%c3%28=1", "colour=%ed%a0%80"])
@EACH_KIND
async def test_what_is_not_utf_8_is_unreadable(shared_service: Service, asked: Any, query: str) -> None:
    refused = await ask(shared_service, asked, query)
    assert (refused.status_code, refused.json()["code"]) == (400, "unreadable")
    assert refused.json()["detail"] == "The query string is not valid percent-encoded UTF-8."


@EACH_KIND
async def test_more_parameters_than_any_address_takes_are_not_read(shared_service: Service, asked: Any) -> None:
    refused = await ask(shared_service, asked, "&".join(["colour=blue"] * 101))
    assert (refused.status_code, refused.json()["code"]) == (400, "unreadable")
    assert refused.json()["detail"] == "The query string has more than 100 parameters."
    assert faults_of(await ask(shared_service, asked, "&".join(["colour=blue"] * 100))) == [
        ("/query/colour", "unknown_parameter")
    ]


@pytest.mark.parametrize("asked", [LIST, QUESTION, LOAD], ids=lambda call: call[2])
async def test_a_parameter_that_comes_twice_is_refused_even_with_one_value(shared_service: Service, asked: Any) -> None:
    value = {"limit": "5", "academic_year": "2025/26", "dry_run": "true"}[asked[3]]
    refused = await ask(shared_service, asked, f"{asked[3]}={value}&{asked[3]}={value}")
    assert faults_of(refused) == [(f"/query/{asked[3]}", "repeated_parameter")]


@pytest.mark.parametrize("asked", [LIST, RECORD], ids=lambda call: call[2])
async def test_a_field_that_there_is_not_is_refused_with_those_there_are(shared_service: Service, asked: Any) -> None:
    refused = await ask(shared_service, asked, "fields=id,colour")
    assert faults_of(refused) == [("/query/fields", "unknown_field")]
    assert " id, " in refused.json()["errors"][0]["detail"]


CLOSED = {
    (route.path, name): words_of(declared)
    for feature in FEATURES
    for route in feature.reading_routes
    if route.reading.many and not route.reading.search
    for name, declared in route.reading.resource.filters.items()
    if declared.takes_several
}
"""The words of every filter by a closed list."""

EACH_CLOSED = pytest.mark.parametrize(("path", "name"), CLOSED)


async def ask_list(service: Service, path: str, query: str) -> httpx2.Response:
    """Ask for a list as somebody who reads it whole."""
    who = "auditor" if "audit" in path else "identifying_commissioner"
    return await service.as_(who).call("GET", f"{path}?{query}")


@EACH_CLOSED
async def test_a_word_that_the_closed_list_lacks_is_refused_with_those_it_has(
    shared_service: Service, path: str, name: str
) -> None:
    words = CLOSED[path, name]
    for wrong in ("nowhere", "", words[0].swapcase(), f" {words[0]}", f"{words[0]},", f"{words[0]};{words[1]}"):
        refused = await ask_list(shared_service, path, f"{name}={quote(wrong)}")
        (fault,) = refused.json()["errors"]
        assert (refused.status_code, fault["pointer"]) == (422, f"/query/{name}")
        assert all(word in fault["detail"] for word in words)


@pytest.mark.parametrize(("path", "name"), [each for each in CLOSED if "{" not in each[0] and "audit" not in each[0]])
async def test_several_words_select_any_of_them(shared_service: Service, path: str, name: str) -> None:
    async def ids(query: str) -> list[str]:
        answer = await ask_list(shared_service, path, f"{query}&fields=id&limit=200")
        assert answer.status_code == 200, answer.text
        return sorted(row["id"] for row in answer.json()["data"])

    words = [quote(word) for word in CLOSED[path, name]]
    of_each = sorted([identity for word in words for identity in await ids(f"{name}={word}")])
    repeated = "&".join(f"{name}={word}" for word in words)
    assert of_each == await ids(f"{name}={','.join(words)}") == await ids(repeated)


async def test_every_state_of_the_published_pathways_and_a_handover_s_can_be_asked_for(shared_service: Service) -> None:
    pathways = (await shared_service.as_("school").get("/v1/pathways")).json()["data"]
    published = {state["state"] for pathway in pathways for state in pathway["states"]}
    assert published | {"handed_over"} == set(CLOSED["/v1/referrals", "status"])


async def test_every_action_that_was_audited_can_be_asked_for(service: Service) -> None:
    await service.as_("school").get("/v1/nowhere")
    answer = await service.http.get("/v1/me")
    assert answer.status_code == 401
    events = (await service.as_("operator").get("/v1/audit/events", limit="200")).json()["data"]
    audited = {event["action"] for event in events}
    assert {"token:issue", "request:refuse"} <= audited <= set(CLOSED["/v1/audit/events", "action"])


async def test_a_list_names_everything_that_is_wrong_at_once(shared_service: Service) -> None:
    refused = await ask(
        shared_service, LIST, "limit=0&sort=colour&count=yes&cursor=x&fields=colour&colour=blue&status=%00"
    )
    assert sorted(faults_of(refused)) == [
        ("/query/colour", "unknown_parameter"),
        ("/query/count", "boolean"),
        ("/query/cursor", "cursor"),
        ("/query/fields", "unknown_field"),
        ("/query/limit", "limit"),
        ("/query/sort", "sort"),
        ("/query/status", "text"),
    ]


async def test_a_write_takes_no_parameter_not_even_one_of_the_read(shared_service: Service) -> None:
    assert faults_of(await ask(shared_service, WRITE, "fields=id")) == [("/query/fields", "unknown_parameter")]
