"""Query strings: what no address takes is refused in the same words at every one."""

from typing import Any

import httpx2
import pytest
from support.api_client import Service

LIST = ("commissioner", "GET", "/v1/referrals", "limit")
RECORD = ("commissioner", "GET", "/v1/schools/900001", "fields")
QUESTION = ("board", "GET", "/v1/insights/referrals", "academic_year")
BARE_QUESTION = ("school", "GET", "/v1/me", None)
WRITE = ("school", "POST", "/v1/referrals", None)
LOAD = ("trust", "POST", "/v1/bulk/contacts", "dry_run")
"""Who asks, how, what, and a parameter that is taken there."""

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


@pytest.mark.parametrize("asked", [LIST, RECORD, QUESTION, LOAD], ids=lambda call: call[2])
async def test_a_parameter_that_comes_twice_is_refused_even_with_one_value(shared_service: Service, asked: Any) -> None:
    value = {"limit": "5", "fields": "name", "academic_year": "2025/26", "dry_run": "true"}[asked[3]]
    refused = await ask(shared_service, asked, f"{asked[3]}={value}&{asked[3]}={value}")
    assert faults_of(refused) == [(f"/query/{asked[3]}", "repeated_parameter")]


@pytest.mark.parametrize("asked", [LIST, RECORD], ids=lambda call: call[2])
async def test_a_field_that_there_is_not_is_refused_with_those_there_are(shared_service: Service, asked: Any) -> None:
    refused = await ask(shared_service, asked, "fields=id,colour")
    assert faults_of(refused) == [("/query/fields", "unknown_field")]
    assert " id, " in refused.json()["errors"][0]["detail"]


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
