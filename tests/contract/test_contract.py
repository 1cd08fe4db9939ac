"""The contract: committed as it is made, sound, and about every address that the service has."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import validate
from starlette.routing import Route

from convenor.app import create_app
from convenor.export_contracts import COMMAND, CONTRACTS, contract_text
from convenor.http.bulk import BulkImportOperation
from convenor.http.dependencies import WriteOperation
from convenor.http.read_routes import ReadRoute, operation_of
from convenor.http.route_index import routes_of
from convenor.problems import catalogue
from convenor.read_model.redaction import sensitive_fields
from convenor_auth.roles import SCOPES
from convenor_graphql.schema import graphql_api

PAGES = ("/", "/docs", "/problems", "/assets/", "/openapi.json")
"""What is for people, and the contract itself: outside the contract."""


@cache
def contract() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(contract_text())
    return made


def routes() -> list[Route]:
    return routes_of(create_app("", Path(), ""))


def every(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from every(member)
    elif isinstance(value, list):
        for member in value:
            yield from every(member)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in contract()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def described(route: Route) -> dict[str, Any]:
    method = next(iter((route.methods or set()) - {"HEAD"})).lower()
    found: dict[str, Any] = contract()["paths"][route.path][method]
    return found


def resolved(given: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in given:
        target: Any = contract()
        for step in given["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        given = target
    return given


def headers_asked(operation: dict[str, Any]) -> dict[str, bool]:
    """The header parameters of an operation: whether each is required, by name."""
    asked = [resolved(parameter) for parameter in operation["parameters"]]
    return {parameter["name"]: parameter["required"] for parameter in asked if parameter["in"] == "header"}


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name)
def test_what_is_committed_is_what_the_service_does(path: Path) -> None:
    assert path.read_text("utf-8") == CONTRACTS[path](), f"{path.name} has changed. Run: {COMMAND}"


def test_the_contract_is_valid_openapi() -> None:
    validate(contract())
    assert contract()["openapi"].startswith("3.1.")


def test_every_reference_leads_somewhere_and_nowhere_outside() -> None:
    for found in every(contract()):
        if "$ref" in found:
            assert resolved(found)
    assert not re.findall(r"https?://", contract_text())


def test_fastapi_s_own_shape_of_a_fault_is_nowhere() -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(contract()["components"]["schemas"])
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "problem+json" not in str(resolved(answer)):
                assert operation["tags"] in (["oauth"], ["health"])


def test_every_address_is_in_it_except_the_pages() -> None:
    left_out = [route.path for route in routes() if not route.include_in_schema]
    assert [path for path in left_out if not path.startswith(PAGES)] == []
    assert {route.path for route in routes()} - set(left_out) == set(contract()["paths"])


@pytest.mark.parametrize(
    "route",
    [route for route in routes() if route.include_in_schema],
    ids=lambda route: f"{sorted(route.methods)} {route.path}",
)
def test_each_operation_says_what_it_asks_and_answers(route: Route) -> None:
    operation, asked = described(route), operation_of(route)
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in [tag["name"] for tag in contract()["tags"]]
    assert [status for status in operation["responses"] if status < "300"]
    if route.path.startswith("/v1/"):
        assert asked is not None
        assert asked.scope in SCOPES or (route.path, asked.scope) == ("/v1/me", "")
        assert operation["security"] == [{"oauth": [asked.scope] if asked.scope else []}]
        assert {"400", "401", "403", "406", "422", "503"} <= set(operation["responses"])
    else:
        assert asked is None
        assert operation["security"] == []
    for parameter in map(resolved, operation["parameters"]):
        assert parameter["description"], parameter["name"]


@pytest.mark.parametrize(
    "route", [route for route in routes() if isinstance(route, ReadRoute)], ids=lambda route: route.path
)
def test_each_list_names_every_parameter_that_it_takes(route: ReadRoute) -> None:
    named = [resolved(parameter) for parameter in described(route)["parameters"]]
    taken = {parameter["name"] for parameter in named if parameter["in"] == "query"}
    resource = route.reading.resource
    controls = {"cursor", "limit", "sort", "fields", "count"} if route.reading.many else {"fields"}
    assert taken == controls | (set(resource.parameters) if route.reading.many else set())
    assert ("requestBody" in described(route)) is route.reading.search
    assert ("404" in described(route)["responses"]) == ("{" in route.path)


@pytest.mark.parametrize(
    "route",
    [route for route in routes() if isinstance(operation_of(route), WriteOperation)],
    ids=lambda route: route.name,
)
def test_each_write_names_the_headers_it_needs_and_the_refusals_that_follow(route: APIRoute) -> None:
    operation, write = described(route), operation_of(route)
    asked, answers = headers_asked(operation), set(operation["responses"])
    assert asked.get("Idempotency-Key") == (True if write.creates else False if write.keyed else None)
    assert asked.get("If-Match") == (True if write.changes else False if write.keyed else None)
    assert ("428" in answers) == write.changes
    assert {"413", "415"} <= answers
    assert operation["requestBody"]["content"]
    success = resolved(next(answer for status, answer in operation["responses"].items() if status < "300"))
    assert ("Location" in success["headers"]) == (write.creates and route.status_code == 201)


def test_a_load_needs_no_header_and_its_body_is_lines() -> None:
    (route,) = [route for route in routes() if isinstance(operation_of(route), BulkImportOperation)]
    operation = described(route)
    assert {"Idempotency-Key", "If-Match"}.isdisjoint(headers_asked(operation))
    assert {"413", "415"} <= set(operation["responses"])
    assert list(operation["requestBody"]["content"]) == ["application/x-ndjson"]
    bodies = [(operation["requestBody"], "ContactLine")]
    bodies += [(operation["responses"][status], "LoadResult") for status in ("200", "422")]
    for body, line in bodies:
        # One line's schema would be taken for that of the whole body.
        text = {"schema": {"type": "string", "format": "binary"}}
        content = body["content"]["application/x-ndjson"]
        assert content == text | {"x-line-schema": {"$ref": f"#/components/schemas/{line}"}}


def test_no_default_is_null_for_a_generated_client_would_send_it() -> None:
    assert [found for found in every(contract()) if found.get("default", ...) is None] == []


def test_every_component_s_title_is_its_name() -> None:
    schemas = contract()["components"]["schemas"]
    assert {name: schema.get("title") for name, schema in schemas.items()} == {name: name for name in schemas}


def test_no_description_keeps_the_indentation_of_its_source() -> None:
    descriptions = [found["description"] for found in every(contract()) if isinstance(found.get("description"), str)]
    types = graphql_api().types.type_map.values()
    descriptions += [type_.description for type_ in types if type_.description]
    assert len(descriptions) > len(types)
    assert [text for text in descriptions if re.search(r"^[ \t]", text, re.MULTILINE)] == []


def test_a_body_without_a_content_encoding_is_all_that_is_taken_anywhere() -> None:
    for method, path, operation in operations():
        codes = resolved(operation["responses"].get("415", {"description": ""}))["description"]
        assert ("`wrong_content_encoding`" in codes) == ("requestBody" in operation), f"{method} {path}"


def test_a_problem_of_single_rules_is_named_only_where_they_are_followed() -> None:
    def ends_in(code: str) -> set[str]:
        return {
            operation["operationId"]
            for _, _, operation in operations()
            if any(f"`{code}`" in resolved(answer)["description"] for answer in operation["responses"].values())
        }

    assert ends_in("referral_already_open") == {"submit_referral"}
    assert ends_in("illegal_transition") == {"transition_referral", "transition_sla", "transition_return"}


def test_what_a_problem_carries_is_described_with_its_code() -> None:
    members = contract()["components"]["schemas"]["Problem"]["properties"]
    carried = {(member.name, code) for code, kind in catalogue().items() for member in kind.carries}
    assert {("referral", "referral_already_open"), ("referral", "same_name_and_birth_date")} <= carried
    for name, code in carried:
        assert f"With `{code}`: " in members[name]["description"]


def test_what_a_role_may_not_see_is_not_required_and_says_so() -> None:
    hidden = 0
    schemas = contract()["components"]["schemas"]
    for route in routes():
        if isinstance(route, ReadRoute):
            resource = route.reading.resource
            for model, name in sensitive_fields(resource):
                schema = schemas[model.__name__]
                assert name not in schema["required"]
                assert schema["properties"][name]["description"].endswith("Absent where your role does not see it.")
                hidden += 1
    assert hidden
    assert {"given_name", "upn", "nhs_number"}.isdisjoint(schemas["PupilRead"]["required"])
    assert "pseudonym" in schemas["PupilRead"]["required"]


def test_a_referral_is_about_one_of_three_kinds_of_subject() -> None:
    subject = contract()["components"]["schemas"]["ReferralRead"]["properties"]["subject"]
    assert set(subject["discriminator"]["mapping"]) == {"pupil", "group", "school"}


def test_only_codes_that_have_a_page_are_named() -> None:
    named = {
        code for found in every(contract()["components"]["responses"]) for code in found.get("code", {}).get("enum", [])
    }
    assert named
    assert named <= set(catalogue())
