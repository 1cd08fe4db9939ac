"""The explorer at `/graphql` in a browser: it stands on its own, and each of its examples works for its role."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from graphql import OperationDefinitionNode, OperationType, parse
from hatchling.builders.wheel import WheelBuilder
from support.api_client import Service
from support.graphql_requests import asked
from support.referral_steps import WAITING, referred

from convenor.domain_types.dates import today
from convenor_auth.roles import ROLES, SCOPES
from convenor_graphql import explorer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPTS = sorted(route.path for route in explorer.routes if route.path.endswith(".js"))
ASSETS = [*SCRIPTS, "/graphql/assets/explorer.css", "/graphql/assets/examples.json"]
EXAMPLES = {example["name"]: example for example in explorer.examples()}
WHO = {
    "school_mis": "school",
    "health_system": "trust",
    "provider_portal": "charity",
    "cluster_lead": "cluster_lead",
    "commissioner": "commissioner",
    "finance": "finance",
    "board": "board",
    "auditor": "auditor",
}
STATED: dict[str, dict[str, Any]] = {
    "school_mis-refer": {"input": {"serviceId": "SLT", "schoolUrn": "900001"}},
    "provider_portal-report": {
        "input": {
            "slaId": "SLA-OUTREACH",
            "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
        }
    },
}
"""What those who use an example that writes put in the place of its words, for the test's dataset."""
FOLDER = Path(explorer.__file__).parent
COMPLETE = """
import { readFileSync } from "node:fs";
import { namesAt } from "./completing.js";
import { Schema } from "./schema.js";
const { data, texts } = JSON.parse(readFileSync(0));
const schema = new Schema(data.__schema);
const offered = (text) => namesAt(schema, text.split("|")[0], text.replace("|", "")).names.map((it) => it.name);
console.log(JSON.stringify(Object.fromEntries(texts.map((text) => [text, offered(text)]))));
"""
FITTING = {
    "{ refer|": ["referral", "referrals"],
    "query Q { a: cluster|": ["cluster", "clusterMembership", "clusterMemberships", "clusterRole", "clusters"],
    "{ referrals(open: true) { edges { node { waiting|": ["waitingDays"],
    "{ referrals { totalCount } sla|": ["sla", "slas"],
    "{ referrals(submitted|": ["submittedAfter", "submittedBefore"],
    "{ referrals(need: SLCN, ne|": [],
    "{ referrals(sort: |": ["SUBMITTED_AT_ASC", "SUBMITTED_AT_DESC"],
    "{ referrals(open: |": ["false", "true"],
    "{ referrals { edges { node { subject { ... on |": ["GroupSubject", "PupilSubject", "SchoolSubject"],
    "{ referrals { edges { node { subject { ... on PupilSubject { pup|": ["pupil"],
    "mutation { submitRe|": ["submitReferral", "submitReturn"],
    "mutation { submitReferral(input: { subject: { pupil: { given|": ["givenName"],
    "query Q($id: ID!, $on: Date) { service(id: $|": ["id", "on"],
    "query Q($need: [NeedT|": ["NeedType"],
    "{ service(id: 1) { slas { totalCount } ... @skip(if: true) { areaOf|": ["areaOfNeed"],
    "{ services @|": ["include", "skip"],
    "{ services @skip(if: tr|": ["true"],
    "fragment F on PupilS|": ["PupilSubject"],
    "{ service(id: 1) { ...F| } } fragment Fields on Service { code }": ["Fields"],
    '{ service(id: "refer|': [],
    "{ # refer|": [],
    "{ nothing { of { the { kind|": [],
    "mut|": ["mutation"],
}
"""The names that fit in a document at the place that a bar marks."""


def operation(example: dict[str, Any]) -> OperationDefinitionNode:
    (found,) = parse(example["document"]).definitions
    assert isinstance(found, OperationDefinitionNode)
    return found


def writes(example: dict[str, Any]) -> bool:
    return operation(example).operation is OperationType.MUTATION


def merged(values: Any, stated: Any) -> Any:
    if not isinstance(values, dict) or not isinstance(stated, dict):
        return stated
    return values | {name: merged(values.get(name), value) for name, value in stated.items()}


def variables(example: dict[str, Any], stated: dict[str, Any]) -> Any:
    text = example["variables"].replace("<fresh>", "1").replace("<today>", today().isoformat())
    return merged(json.loads(text), stated)


async def page(service: Service) -> httpx2.Response:
    return await service.http.get("/graphql", headers=BROWSER)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/graphql-response+json"])
async def test_software_without_a_token_is_refused_and_gets_no_page(shared_service: Service, accept: str) -> None:
    for answer in (
        await shared_service.http.get("/graphql", headers={"Accept": accept}),
        await shared_service.http.post("/graphql", json={"query": "{ __typename }"}, headers={"Accept": accept}),
        await shared_service.http.post("/graphql", json={"query": "{ __typename }"}, headers=BROWSER),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_introspection_is_refused_without_a_token(shared_service: Service) -> None:
    query = {"query": "{ __schema { types { name } } }"}
    assert (await shared_service.http.post("/graphql", json=query)).status_code == 401
    shown = await shared_service.http.get("/graphql", params=query, headers=BROWSER)
    assert "ReferralConnection" not in shown.text


async def test_a_browser_gets_the_page_without_a_token(shared_service: Service) -> None:
    answer = await page(shared_service)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("path", ASSETS)
async def test_what_the_page_is_made_of_comes_without_a_token_and_of_its_kind(
    shared_service: Service, path: str
) -> None:
    answer = await shared_service.http.get(path)
    kinds = {"js": "text/javascript", "css": "text/css", "json": "application/json"}
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kinds[path.rpartition(".")[2]]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_nothing_but_its_own_assets_is_served(shared_service: Service) -> None:
    for name in ("page.html", "__init__.py", "..%2Fschema.py", "examples/board-offer.graphql", "none.js"):
        assert (await shared_service.http.get(f"/graphql/assets/{name}")).status_code == 404


@pytest.mark.parametrize("path", ["/graphql", *ASSETS])
async def test_the_page_may_load_and_ask_its_own_service_only_and_send_no_form_by_itself(
    shared_service: Service, path: str
) -> None:
    answer = await shared_service.http.get(path, headers=BROWSER)
    policy = {
        directive.partition(" ")[0]: directive.partition(" ")[2]
        for directive in answer.headers["content-security-policy"].split("; ")
    }
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize("path", ["/graphql", *ASSETS])
async def test_nothing_of_it_names_an_address_outside(shared_service: Service, path: str) -> None:
    text = (await shared_service.http.get(path, headers=BROWSER)).text
    assert re.findall(r"(?:https?:)?//[a-z][^\s\"'<]*\.", text) == []
    assert not re.search(r"url\(|@import|sourceMappingURL", text)


async def test_no_script_and_no_style_stands_in_the_page(shared_service: Service) -> None:
    html = (await page(shared_service)).text
    (script,) = re.findall(r"<script.*?</script>", html, re.DOTALL)
    assert script == '<script type="module" src="/graphql/assets/explorer.js"></script>'
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)


@pytest.mark.parametrize("path", SCRIPTS)
async def test_no_script_keeps_anything_or_turns_what_was_answered_into_markup(
    shared_service: Service, path: str
) -> None:
    text = (await shared_service.http.get(path)).text
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|history\.", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\b|\beval\b|new Function", text)


@pytest.mark.parametrize("path", SCRIPTS)
async def test_what_a_script_imports_is_served(shared_service: Service, path: str) -> None:
    for name in re.findall(r'from "\./([^"]+)"', (await shared_service.http.get(path)).text):
        assert f"/graphql/assets/{name}" in SCRIPTS


async def test_every_field_of_the_page_has_a_label(shared_service: Service) -> None:
    html = (await page(shared_service)).text
    labelled = set(re.findall(r'<label for="([^"]+)"', html))
    within = "".join(re.findall(r"<label[^>]*>.*?</label>", html, re.DOTALL))
    for field in re.findall(r"<(?:input|select|textarea)[^>]*>", html):
        name = re.search(r'id="([^"]+)"', field)
        assert field in within or (name and name[1] in labelled), field


async def test_every_scope_is_offered_and_all_but_identification_asked_for(shared_service: Service) -> None:
    html = (await page(shared_service)).text
    offered = dict(re.findall(r'name="scope" value="([^"]+)"( checked)?', html))
    assert set(offered) == set(SCOPES)
    assert [scope for scope, checked in offered.items() if not checked] == ["pupils:identify"]


@pytest.mark.parametrize("path", ["/", "/docs", "/problems"])
async def test_the_page_is_linked_with_the_other_pages_both_ways(shared_service: Service, path: str) -> None:
    assert 'href="/graphql"' in (await shared_service.http.get(path)).text
    assert f'href="{path}"' in (await page(shared_service)).text


def test_the_wheel_holds_what_the_page_is_made_of() -> None:
    root = Path(__file__).parents[2]
    shipped = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    made_of = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(made_of) > len(EXAMPLES)
    assert {f"convenor_graphql/explorer/{path.relative_to(FOLDER).as_posix()}" for path in made_of} <= shipped


async def test_the_page_is_handed_every_example(shared_service: Service) -> None:
    assert (await shared_service.http.get("/graphql/assets/examples.json")).json() == list(EXAMPLES.values())


def test_each_role_of_an_area_has_examples_and_those_that_write_have_one_that_writes() -> None:
    roles = [example["role"] for example in EXAMPLES.values()]
    assert set(roles) == set(WHO) == {*ROLES} - {"operator"}
    for role in ("school_mis", "health_system", "provider_portal"):
        assert roles.count(role) >= 2
        assert any(writes(example) for example in EXAMPLES.values() if example["role"] == role)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_whose_it_is_and_what_it_shows_and_has_the_variables_that_it_takes(name: str) -> None:
    example = EXAMPLES[name]
    assert name.startswith(f"{example['role']}-")
    assert re.fullmatch(r"[A-Z].*\.", example["shows"])
    taken = {definition.variable.name.value for definition in operation(example).variable_definitions or ()}
    assert taken == set(variables(example, {}) if example["variables"] else {})


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if not writes(example)])
async def test_an_example_that_reads_runs_for_its_role(shared_service: Service, name: str) -> None:
    answer = await asked(shared_service.as_(WHO[EXAMPLES[name]["role"]]), EXAMPLES[name]["document"])
    assert (answer.status_code, answer.json().get("errors")) == (200, None)


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if writes(example)])
async def test_an_example_that_writes_runs_for_its_role(service: Service, name: str) -> None:
    example, stated = EXAMPLES[name], STATED.get(name, {})
    if example["role"] == "health_system":
        steps = () if name == "health_system-accept" else WAITING
        stated = {"id": (await referred(service, *steps))["code"]}
    answer = await asked(service.as_(WHO[example["role"]]), example["document"], **variables(example, stated))
    assert (answer.status_code, answer.json().get("errors")) == (200, None)


async def test_the_names_that_fit_are_offered_at_the_cursor(shared_service: Service, node: Callable[..., str]) -> None:
    introspection = node('import { INTROSPECTION } from "./schema.js"; console.log(INTROSPECTION)')
    introspected = (await asked(shared_service.as_("board"), introspection)).json()
    offered = node(COMPLETE, json.dumps({"data": introspected["data"], "texts": list(FITTING)}))
    assert json.loads(offered) == FITTING


def test_the_operations_of_a_document_are_told_apart(node: Callable[..., str]) -> None:
    text = "query One { query { mutation } } fragment query on Query { a } # query No {\nmutation Two($q: X = {}) { b }"
    script = 'import { operationsIn } from "./lexer.js"; import { readFileSync } from "node:fs"; '
    script += "console.log(operationsIn(readFileSync(0, 'utf8')).join())"
    assert node(script, text).split() == ["One,Two"]
