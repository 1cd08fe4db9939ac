"""Whatever is sent, no answer is a fault of ours, and every refusal is a problem that names what is wrong."""

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from support.api_client import Caller, Service, pupil_referral

from convenor.http.read_routes import ReadRoute
from convenor.http.route_index import routes_of
from convenor.read_model.resource import Sort

UNREADABLE = [
    b"",
    b"{",
    b"\xff\xfe\x00",
    b'{"a": NaN}',
    b"[" * 100_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
]
UNFIT = [
    b"[]",
    b"null",
    b"0",
    b'""',
    b'{"a": "\\u0000"}',
    b'{"a": "\\ud800"}',
    b'{"a": 1, "a": 2}',
    b'{"a": 1e999}',
    b'{"a": 123456789012345678901234567890}',
]
VALUES = [
    None,
    True,
    0,
    -1,
    2**63,
    1.5,
    "",
    " ",
    "x" * 20_000,
    "\x00",
    "\ud800",
    "\u202e",
    "7",
    "1462320000",
    "2026-02-30",
    "2026-01-20T00:00:00",
    "9999-12-31T23:59:60Z",
    "99999999999-01-01",
    [],
    [[[]]],
    {},
    {"": {}},
]
TEXTS = [
    "%00",
    "%ff",
    "%F0%9F%92%A9",
    "..%2f..",
    "x" * 4_000,
    "'%20or%201=1",
    "null",
    "-1",
    "9" * 40,
    "%20",
    "2026-02-30",
]


def assert_names_its_faults(answer: httpx2.Response, what: str) -> None:
    """No 5xx; a problem says what it is; one of shape names where."""
    assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["code"], what
        assert problem["detail"], what
        assert problem["request_id"] == answer.headers["x-request-id"]
        if answer.status_code == 422 and problem["code"] == "invalid":
            assert problem["errors"], what
            assert all(fault["detail"] for fault in problem["errors"]), what


async def _send(caller: Caller, route: APIRoute, content: bytes, **headers: str) -> httpx2.Response:
    path = route.path.replace("{", "").replace("}", "")
    how = {"Content-Type": "application/json", "Idempotency-Key": "k", "If-Match": '"1"'} | headers
    return await caller.call(min(route.methods), path, content=content, headers=how)


def _callers(service: Service) -> list[Caller]:
    return [service.as_(key) for key in ("school", "trust", "charity", "identifying_commissioner", "operator")]


def _writes(service: Service) -> list[APIRoute]:
    return [route for route in routes_of(service.app) if isinstance(route, APIRoute) and route.path.startswith("/v1/")]


async def _allowed(service: Service, route: APIRoute) -> Caller:
    """A caller whose scopes let it as far as the body."""
    for caller in _callers(service):
        if (await _send(caller, route, b"{}")).status_code != 403:
            return caller
    raise AssertionError(f"nobody may call {route.path}")


async def test_bodies_that_cannot_be_read_are_400_and_bodies_that_do_not_fit_are_422(service: Service) -> None:
    for route in _writes(service):
        if not route.body_field:
            continue
        caller = await _allowed(service, route)
        for content in UNREADABLE:
            answer = await _send(caller, route, content)
            assert answer.status_code in (400, 422), (
                f"{route.path} {content[:40]!r}: {answer.status_code} {answer.text}"
            )
            assert_names_its_faults(answer, f"{route.path} {content[:40]!r}")
        for content in UNFIT:
            answer = await _send(caller, route, content)
            assert answer.status_code == 422, f"{route.path} {content[:40]!r}: {answer.status_code} {answer.text}"
            assert_names_its_faults(answer, f"{route.path} {content[:40]!r}")


async def test_every_field_of_every_body_takes_any_value_without_a_fault_of_ours(service: Service) -> None:
    for route in _writes(service):
        if not route.body_field:
            continue
        caller = await _allowed(service, route)
        for name in route.body_field.field_info.annotation.model_fields:
            for value in VALUES:
                answer = await _send(caller, route, json.dumps({name: value}).encode())
                assert_names_its_faults(answer, f"{route.path} {name}={value!r:.40}")


def _shapes(contract: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a schema of the contract may stand for, without references."""
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield schema
    for one in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        yield from _shapes(contract, one)


Places = dict[str, dict[str, Any]]
"""Schemas by the name of a member, or by `0` for the items of a list."""


def _parts(
    contract: dict[str, Any], schema: dict[str, Any], pointer: str = "", whole: Callable[[Any], Any] = lambda body: body
) -> Iterator[tuple[str, Places, Callable[[dict[str, Any]], Any]]]:
    """Every object and list of a body, at any depth: its pointer, its places, and what makes a body with it.

    Not the name of a kind, which is a fault of the object that it stands in.
    """
    for shape in _shapes(contract, schema):
        members = shape.get("properties", {})
        kinds = {name: member["const"] for name, member in members.items() if "const" in member}
        places = (
            {"0": shape["items"]}
            if "items" in shape
            else {name: members[name] for name in members if name not in kinds}
        )
        listed = "items" in shape

        def made(sent: dict[str, Any], *, listed: bool = listed, kinds: dict[str, Any] = kinds) -> Any:
            return whole([*sent.values()] if listed else kinds | sent)

        if places:
            yield pointer, places, made
        for name, place in places.items():
            inside = partial(lambda made, name, inner: made({name: inner}), made, name)
            yield from _parts(contract, place, f"{pointer}/{name}", inside)


async def test_what_the_contract_forbids_is_refused_at_its_place_in_every_body(service: Service) -> None:
    contract = service.app.openapi()
    for route in _writes(service):
        if not route.body_field:
            continue
        caller = await _allowed(service, route)
        content = contract["paths"][route.path][min(route.methods).lower()]["requestBody"]["content"]
        for pointer, places, made in _parts(contract, content["application/json"]["schema"]):
            closed = {name: place | {"components": contract["components"]} for name, place in places.items()}
            held = {
                name: Draft202012Validator(place, format_checker=Draft202012Validator.FORMAT_CHECKER)
                for name, place in closed.items()
            }
            for value in VALUES:
                sent = {name: value for name in places if not held[name].is_valid(value)}
                if not sent:
                    continue
                what = f"{route.path} {pointer} {', '.join(sent)}: {value!r:.40}"
                answer = await _send(caller, route, json.dumps(made(sent)).encode())
                assert_names_its_faults(answer, what)
                assert answer.status_code == 422, f"{what}: {answer.status_code} {answer.text}"
                named = [fault["pointer"] for fault in answer.json()["errors"]]
                passed = [name for name in sent if not any(each.startswith(f"{pointer}/{name}") for each in named)]
                assert not passed, f"{what}: nothing is said of {', '.join(passed)}"


def _values_out_of_bounds(contract: dict[str, Any], place: dict[str, Any]) -> Iterator[str]:
    """A date that the database would hold as infinity; and for free text, characters that nobody sees."""
    for shape in _shapes(contract, place):
        if shape.get("format") == "date":
            yield "9999-12-31"
        if re.search(shape.get("pattern", "^$"), "any words"):
            yield "\u200b\u202e"
            if shape["maxLength"] <= 200:
                yield from ("a\u200bb", "a\u202eb")


async def test_no_date_is_out_of_bounds_and_no_name_holds_what_nobody_sees_in_any_body(service: Service) -> None:
    contract, tried = service.app.openapi(), set[str]()
    for route in _writes(service):
        if not route.body_field:
            continue
        caller = await _allowed(service, route)
        content = contract["paths"][route.path][min(route.methods).lower()]["requestBody"]["content"]
        for pointer, places, made in _parts(contract, content["application/json"]["schema"]):
            values = {name: set(_values_out_of_bounds(contract, place)) for name, place in places.items()}
            for value in set[str]().union(*values.values()):
                sent = {name: value for name in places if value in values[name]}
                answer = await _send(caller, route, json.dumps(made(sent)).encode())
                assert answer.status_code == 422, f"{route.path} {pointer}: {answer.text}"
                named = [error["pointer"] for error in answer.json()["errors"]]
                for name in sent:
                    assert any(each.startswith(f"{pointer}/{name}") for each in named), f"{route.path} {name} {value!r}"
                tried.add(value)
    assert tried == {"9999-12-31", "\u200b\u202e", "a\u200bb", "a\u202eb"}


def _mutants(value: Any) -> Iterator[tuple[str, Any]]:
    """Every copy of a body with one member, at any depth, replaced."""
    for name in value:
        for other in VALUES:
            mutant = copy.deepcopy(value)
            mutant[name] = other
            yield f"/{name}", mutant
        if isinstance(value[name], dict):
            for pointer, inner in _mutants(value[name]):
                mutant = copy.deepcopy(value)
                mutant[name] = inner
                yield f"/{name}{pointer}", mutant


async def test_every_member_of_a_referral_takes_any_value_without_a_fault_of_ours(service: Service) -> None:
    school = service.as_("school")
    for at, (pointer, body) in enumerate(_mutants(pupil_referral("SLT"))):
        content = json.dumps(body).encode()
        answer = await school.call(
            "POST",
            "/v1/referrals",
            content=content,
            headers={"Content-Type": "application/json", "Idempotency-Key": f"mutant-{at}"},
        )
        assert_names_its_faults(answer, f"{pointer} {content[:200]!r}")


async def test_any_path_and_any_query_is_answered(shared_service: Service) -> None:
    for route in routes_of(shared_service.app):
        if not isinstance(route, ReadRoute):
            continue
        commissioner = shared_service.as_("commissioner")
        (method,) = route.methods - {"HEAD"}
        for text in TEXTS:
            path = route.path
            for parameter in route.param_convertors:
                path = path.replace(f"{{{parameter}}}", text)
            assert_names_its_faults(await commissioner.call(method, path), path)
        if route.reading.many:
            path = route.path.replace("{", "").replace("}", "")
            names = [*route.reading.resource.filters, "cursor", "limit", "sort", "fields", "count", "unknown"]
            for name in names:
                for text in TEXTS:
                    assert_names_its_faults(
                        await commissioner.call(method, f"{path}?{name}={text}"), f"{path}?{name}={text}"
                    )


def _cursor(order: str, place: Any) -> str:
    written = json.dumps([order, place, str(UUID(int=1))]).encode()
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


async def test_a_cursor_at_any_place_is_answered(shared_service: Service) -> None:
    for route in routes_of(shared_service.app):
        if not isinstance(route, ReadRoute) or not route.reading.many or route.reading.search:
            continue
        path = route.path.replace("{", "").replace("}", "")
        for order in route.reading.resource.sorts:
            for place in [*VALUES, "9" * 11, "-" + "9" * 11, "0001-01-01", "infinity"]:
                if len(str(place)) < 5_000:
                    answer = await shared_service.as_("commissioner").get(
                        path, sort=order, cursor=_cursor(order, place)
                    )
                    assert_names_its_faults(answer, f"{path} {order} {place!r}")


@pytest.mark.parametrize("place", [2**31, -(2**31) - 1, 99_999_999_999])
async def test_a_cursor_at_a_number_that_the_database_cannot_hold_is_refused(
    shared_service: Service, place: int
) -> None:
    cursor, board = _cursor("number", str(place)), shared_service.as_("board")
    refused = await board.get("/v1/networks", sort="number", cursor=cursor)
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/query/cursor"]
    query = "query ($after: String) { networks(sort: NUMBER_ASC, after: $after) { edges { node { id } } } }"
    answer = await board.call("POST", "/graphql", json={"query": query, "variables": {"after": cursor}})
    (error,) = answer.json()["errors"]
    assert [fault["pointer"] for fault in error["extensions"]["errors"]] == ["/networks/after"]


async def test_a_cursor_at_the_last_number_is_taken(shared_service: Service) -> None:
    for place in (2**31 - 1, -(2**31)):
        answer = await shared_service.as_("board").get(
            "/v1/networks", sort="number", cursor=_cursor("number", str(place))
        )
        assert answer.json() == {"data": [], "next": None}


def test_a_list_is_sorted_by_nothing_that_a_cursor_could_not_hold() -> None:
    with pytest.raises(ValueError, match="Lists cannot be sorted by numeric"):
        Sort("value", "numeric")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", "1"),
        ("If-Match", "*"),
        ("If-Match", '"99999999999999999999"'),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "x" * 300),
        ("Idempotency-Key", "a b"),
        ("Authorization", "Bearer"),
        ("Authorization", "Basic zzz"),
        ("Authorization", "Bearer " + "x" * 9_000),
        ("Content-Type", "text/plain"),
        ("Content-Type", ";;;"),
        ("Accept", "image/png"),
        ("X-Request-ID", "x" * 500),
        ("X-Purpose", "\x7f"),
    ],
)
async def test_odd_headers_are_refused_or_passed_over(service: Service, name: str, value: str) -> None:
    for route in _writes(service):
        for caller in _callers(service):
            answer = await _send(caller, route, b"{}", **{name: value})
            assert_names_its_faults(answer, f"{route.path} {name}: {value[:30]}")
            assert UUID(answer.headers["x-request-id"])


async def test_ten_megabytes_are_too_large_whether_or_not_their_length_is_declared(service: Service) -> None:
    school = service.as_("school")

    async def chunks() -> Any:
        for _ in range(100):
            yield b" " * 100_000

    for content in (b" " * 10_000_000, chunks()):
        answer = await school.call(
            "POST",
            "/v1/referrals",
            content=content,
            headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
