"""Search by a pupil's number: in a body alone, and for those who may see that number."""

import json
from typing import Any

import pytest
from support.api_client import Service, pupil_referral
from support.graphql_requests import GRAPHQL, codes
from support.referral_steps import referred

from convenor.features import RESOURCES
from convenor.http.route_index import routes_of

UPN, NHS_NUMBER = "B801200005001", "9990000018"
IDENTIFIERS = {"upn": UPN, "nhs_number": NHS_NUMBER}
PATH = "/v1/referrals/search"


async def test_a_search_answers_a_page_of_the_list_with_its_filters(service: Service) -> None:
    school = service.as_("school")
    for code in ("SLT", "OT", "OUTREACH"):
        assert (await school.post("/v1/referrals", pupil_referral(code))).status_code == 201
    await school.post("/v1/referrals", pupil_referral("SLT", upn=None, nhs_number="9990000026"))
    listed = (await school.get("/v1/referrals", sort="submitted_at", limit=3)).json()
    whole = await school.search({"upn": UPN}, sort="submitted_at", count="true")
    assert whole.json() == {"data": listed["data"], "next": None, "count": 3}
    some = await school.search({"upn": UPN}, service="OT", fields="service_code")
    assert [record["service_code"] for record in some.json()["data"]] == ["OT"]
    assert set(some.json()["data"][0]) == {"service_code", "redacted"}


async def test_no_number_stands_in_the_cursor_or_the_address_of_the_next_page(service: Service) -> None:
    school = service.as_("school")
    for code in ("SLT", "OT", "OUTREACH"):
        await school.post("/v1/referrals", pupil_referral(code))
    found, address, params = [], PATH, {"limit": "1", "open": "true"}
    while address:
        page = await school.call("POST", address, json={"upn": UPN}, params=params)
        found += page.json()["data"]
        assert UPN not in str(page.headers) + str(page.json()["next"])
        address, params = page.headers.get("Link", "<").split(">")[0][1:], None
    assert len({record["id"] for record in found}) == len(found) == 3
    assert not page.json()["next"]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {("", "one_identifier")}),
        ({"upn": UPN, "nhs_number": NHS_NUMBER}, {("", "one_identifier")}),
        ({"upn": None}, {("/upn", "required")}),
        ({"upn": 7}, {("/upn", "string_type")}),
        ({"upn": "A801200005001"}, {("/upn", "upn_check_letter")}),
        ({"given_name": "Robin"}, {("/given_name", "unknown_field")}),
        ([], {("", "object_type")}),
    ],
)
async def test_a_search_names_exactly_one_number_and_every_error_at_once(
    shared_service: Service, body: Any, errors: set[tuple[str, str]]
) -> None:
    refused = await shared_service.as_("school").search(body, limit=0)
    assert refused.status_code == 422
    found = {(error["pointer"], error["code"]) for error in refused.json()["errors"]}
    assert found == errors | {("/query/limit", "limit")}
    assert UPN not in refused.text


@pytest.mark.parametrize(("key", "name"), [("trust", "upn"), ("school", "nhs_number"), ("charity", "upn")])
async def test_nobody_searches_by_a_number_that_they_do_not_see(service: Service, key: str, name: str) -> None:
    await referred(service)
    refused = await service.as_(key).search({name: IDENTIFIERS[name]})
    assert refused.status_code == 422
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(f"/{name}", "not_for_role")]


async def test_a_search_is_json_and_creates_nothing(service: Service) -> None:
    school = service.as_("school")
    text = await school.call("POST", PATH, content=b"upn=1", headers={"Content-Type": "text/plain"})
    assert (text.status_code, text.json()["code"]) == (415, "wrong_media_type")
    assert (await school.call("GET", PATH)).status_code == 404
    with_key = await school.call("POST", PATH, json={"upn": UPN}, headers={"Idempotency-Key": "k"})
    assert (with_key.status_code, with_key.json()["data"]) == (200, [])


async def test_a_search_is_audited_as_a_read_of_what_it_found(service: Service) -> None:
    referral = await referred(service)
    for key, body in (("school", {"upn": UPN}), ("trust", {"nhs_number": "999 000 0018"}), ("trust", {"upn": UPN})):
        await service.as_(key).search(body)
    found = (await service.as_("auditor").get("/v1/audit/events", action="referrals:search", sort="at")).json()["data"]
    assert [(event["status"], event["records"]) for event in found] == [
        (200, [referral["id"]]),
        (200, [referral["id"]]),
        (422, []),
    ]
    assert UPN not in json.dumps(found)


@pytest.mark.parametrize("name", ["upn", "nhs_number", "UPN", "nhsNumber", "nhs-number"])
async def test_a_number_in_any_address_is_refused_with_the_way_to_send_it(shared_service: Service, name: str) -> None:
    commissioner = shared_service.as_("identifying_commissioner")
    for route in routes_of(shared_service.app):
        if route.path.startswith("/v1/"):
            (method,) = route.methods - {"HEAD"}
            headers = {"Idempotency-Key": "k", "If-Match": '"1"', "Content-Type": "application/json"}
            refused = await commissioner.call(
                method, route.path, params={name: UPN, "limit": "0"}, headers=headers, content=b"{}"
            )
            if refused.status_code == 403:
                continue  # the scope comes first
            assert (refused.status_code, refused.json()["code"]) == (400, "identifier_in_address"), route.path
            assert UPN not in refused.text + str(refused.headers)
    page = await shared_service.http.get("/problems/identifier_in_address")
    assert "POST /v1/referrals/search" in page.text


def test_every_filter_that_identifies_a_pupil_is_refused_in_an_address() -> None:
    named = {name for resource in RESOURCES.values() for name in resource.identifiers}
    assert named == set(IDENTIFIERS)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f'{{ referrals(upn: "{UPN}") {{ totalCount }} }}', {}),
        ('{ referrals(upn: "A801200005001") { totalCount } }', {}),
        (f'{{ schools {{ edges {{ node {{ referrals(nhsNumber: "{NHS_NUMBER}") {{ totalCount }} }} }} }} }}', {}),
        (f'{{ me: areas {{ totalCount }} a: referrals(upn: "{UPN}") @skip(if: true) {{ totalCount }} }}', {}),
        ("query ($upn: String) { referrals(upn: $upn) { totalCount } }", {"upn": UPN}),
        ("query ($x: String) { referrals(nhsNumber: $x) { totalCount } }", {"x": NHS_NUMBER}),
        ("{ areas { totalCount } }", {"upn": UPN}),
    ],
)
async def test_graphql_takes_a_number_by_post_alone(
    shared_service: Service, query: str, variables: dict[str, str]
) -> None:
    caller, accept = shared_service.as_("identifying_commissioner"), {"Accept": GRAPHQL}
    params = {"query": query, "variables": json.dumps(variables)}
    refused = await caller.call("GET", "/graphql", params=params, headers=accept)
    assert (refused.status_code, codes(refused)) == (400, ["identifier_in_address"])
    assert UPN not in refused.text
    if "A8" not in query:
        posted = await caller.call("POST", "/graphql", json={"query": query, "variables": variables}, headers=accept)
        assert posted.status_code == 200, posted.text


async def test_graphql_takes_no_number_as_a_parameter_of_its_own(shared_service: Service) -> None:
    refused = await shared_service.as_("school").call(
        "GET", "/graphql", params={"query": "{ __typename }", "upn": UPN}, headers={"Accept": GRAPHQL}
    )
    assert (refused.status_code, codes(refused)) == (400, ["identifier_in_address"])
