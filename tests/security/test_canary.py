"""A name in any free text or header of the contract reaches nobody who may not see it: no reader, table or log."""

import json
import logging
import re
from typing import Any
from uuid import uuid4

import pytest
from support.api_client import Caller, Service, pupil_referral
from support.canaries import ByGraphQL, ByRest, Canaries, columns_with_canaries
from support.free_text import REFERENCES, free_texts, written_by_partners
from support.graphql_requests import asked
from support.pending_work import do_all
from support.referral_steps import day, session
from support.whole_graph import whole_list

from convenor.export_contracts import contract_text
from convenor.features import FEATURES
from convenor.http.read_routes import ReadRoute
from convenor_graphql.schema import graphql_api

CONTRACT: dict[str, Any] = json.loads(contract_text())
TEXTS: dict[str, list[str]] = {}
for _text in free_texts(CONTRACT):
    TEXTS.setdefault(_text.operation, []).append(_text.path)
HEADERS = [
    parameter["name"] for parameter in CONTRACT["components"]["parameters"].values() if parameter["in"] == "header"
]
READS: list[ReadRoute] = [route for feature in FEATURES for route in feature.reading_routes]
IDENTIFYING = "identifying_commissioner"
OF_A_CASE = ("school", "trust", IDENTIFYING)
OF_A_RETURN = ("charity", IDENTIFYING)


def bodies(service: Service) -> dict[str, Any]:
    """A body of each operation that a partner may send, without its free texts."""
    group = {"kind": "group", "group": {"size": 3, "year_groups": ["2"]}}
    return {
        "submit_referral": pupil_referral("SLT", upn=None, nhs_number=None),
        "group": pupil_referral("SLT") | {"subject": group},
        "update_referral": {"need": "SEMH", "pupil": {"sen_provision": "E"}},
        "transition_referral": {"to": "accepted"},
        "state_nhs_number": {"nhs_number": "9990000026"},
        "add_contact": session(days_ago=0),
        "load_contacts": session(days_ago=0),
        "add_outcome": {"instrument": "other", "domain": "other", "baseline": {"on": day(20), "value": 2}},
        "submit_return": {
            "sla_id": "SLA-OUTREACH",
            "period": {"from": "2025-01-01", "to": "2025-04-30"},
            "volumes": {"sessions": 38, "pupils": 14, "schools": 4},
            "cost_pence": 1_972_603,
            "measures": [{"kpi": "goals_met", "numerator": 37, "denominator": 41}],
        },
        "update_return": {"cost_pence": 1},
        "transition_return": {"to": "returned"},
        "decide_pupil_match": {"decision": "link"},
        "ask_handover": {"school_urn": "900001", "pupil": moved_child(900001)["subject"]["pupil"]},
        "withdraw_handover": {"to": "withdrawn"},
        "decide_handover": {"decision": "refuse"},
    }


def moved_child(urn: int) -> dict[str, Any]:
    """A referral of a child who moves from one school to another."""
    return pupil_referral("OUTREACH", str(urn), upn="Q801200005002", nhs_number=None)


async def newest(caller: Caller, path: str) -> tuple[str, str, str]:
    """The path, the ETag and the code of the newest record of a list."""
    (record, *_) = (await caller.get(path, limit=1)).json()["data"]
    at = f"{path}/{record['id']}"
    return at, (await caller.get(at)).headers["ETag"], record.get("code", "")


async def plant(service: Service, way: ByRest, canaries: Canaries) -> None:
    """Send every body with a canary in each of its free texts."""
    school, trust, charity = service.as_("school"), service.as_("trust"), service.as_("charity")
    commissioner, given = service.as_("commissioner"), bodies(service)

    def body(operation: str, *may_see: str, like: str = "") -> dict[str, Any]:
        return canaries.body(operation, given[like or operation], TEXTS.get(operation, []), *may_see)

    assert await way.send(school, "POST", "/v1/referrals", body("submit_referral", *OF_A_CASE, like="group"))
    assert await way.send(school, "POST", "/v1/referrals", body("submit_referral", *OF_A_CASE))
    path, etag, code = await newest(school, "/v1/referrals")
    assert await way.send(school, "PATCH", path, body("update_referral", *OF_A_CASE), etag)
    _, etag, _ = await newest(school, "/v1/referrals")
    assert await way.send(trust, "POST", f"{path}/transitions", body("transition_referral", *OF_A_CASE), etag)
    assert await way.send(trust, "POST", f"{path}/contacts", body("add_contact", *OF_A_CASE))
    assert await way.send(trust, "POST", f"{path}/outcomes", body("add_outcome", *OF_A_CASE))
    assert await way.load(trust, body("load_contacts", *OF_A_CASE) | {"referral_code": code})
    assert await way.send(charity, "POST", "/v1/impact-returns", body("submit_return", *OF_A_RETURN))
    path, etag, _ = await newest(charity, "/v1/impact-returns")
    assert await way.send(commissioner, "POST", f"{path}/transitions", body("transition_return", *OF_A_RETURN), etag)
    path, etag, _ = await newest(charity, "/v1/impact-returns")
    assert await way.send(charity, "PATCH", path, body("update_return", *OF_A_RETURN), etag)
    for maker, urn in (("school", "900001"), ("neighbour", "900002")):
        child = pupil_referral("OUTREACH", urn, upn="P80320002601A", nhs_number=None, family_name=f"Elm {maker}")
        assert (await service.as_(maker).post("/v1/referrals", child)).status_code == 201
    await do_all(service)
    decider = service.as_("identifying_commissioner")
    path, etag, _ = await newest(decider, "/v1/pupil-matches")
    decision = body("decide_pupil_match", "identifying_commissioner")
    assert await way.send(decider, "POST", f"{path}/decisions", decision, etag)
    await plant_handover(service, way, canaries)


async def plant_handover(service: Service, way: ByRest, canaries: Canaries) -> None:
    """Ask for a pupil of another school, which reads who the pupil is and nothing else, and refuses."""
    school, far, given = service.as_("school"), service.as_("far_school"), bodies(service)
    assert (await far.post("/v1/referrals", moved_child(900003))).status_code == 201
    who = [path for path in TEXTS["ask_handover"] if path.endswith("_name") and "parent" not in path]
    rest = [path for path in TEXTS["ask_handover"] if path not in who]
    body = canaries.body("ask_handover", given["ask_handover"], who, "school", "far_school", IDENTIFYING)
    body = canaries.body("ask_handover", body, rest, "school", IDENTIFYING)
    assert await way.send(school, "POST", "/v1/handovers", body)
    await do_all(service)
    path, etag, _ = await newest(far, "/v1/handover-requests")
    path = path.replace("handover-requests", "handovers")
    decision = canaries.body("decide_handover", given["decide_handover"], ["/reason"], "far_school", IDENTIFYING)
    assert await way.send(far, "POST", f"{path}/decisions", decision, etag)


async def plant_what_is_refused(service: Service, way: ByRest, canaries: Canaries) -> None:
    """Send canaries where a list, a code, a number or a reference is wanted, as names of fields, and in addresses."""
    school, trust, given = service.as_("school"), service.as_("trust"), bodies(service)
    path, etag, code = await newest(school, "/v1/referrals")
    sends: list[tuple[Caller, str, str, str, str | None]] = [
        (school, "POST", "/v1/referrals", "submit_referral", None),
        (school, "PATCH", path, "update_referral", etag),
        (trust, "POST", f"{path}/transitions", "transition_referral", etag),
        (trust, "POST", f"{path}/contacts", "add_contact", None),
        (trust, "POST", f"{path}/outcomes", "add_outcome", None),
        (service.as_("charity"), "POST", "/v1/impact-returns", "submit_return", None),
        (school, "POST", "/v1/handovers", "ask_handover", None),
    ]
    for caller, method, address, operation, tag in sends:
        bounded = [name for name in given[operation] if f"/{name}" not in TEXTS.get(operation, [])]
        for name in [*bounded, *REFERENCES, canaries.new(f"{operation}: a name")]:
            wrong = given[operation] | {name: canaries.new(f"{operation}: {name}")}
            assert await way.send(caller, method, address, wrong, tag, str(uuid4())) is None, f"{operation} {name}"
    for name in [*given["load_contacts"], "referral_code"]:
        line = given["load_contacts"] | {"referral_code": code, "reference": canaries.new("a refused line")}
        assert not await way.load(trust, line | {name: canaries.new(f"load_contacts: {name}")})
    canary = canaries.new("an address")
    for address in (f"/v1/{canary}", f"/v1/referrals/{canary}", f"/v1/referrals?status={canary}", f"/v1/me?{canary}=1"):
        await school.call("GET", address)
    await school.search({"upn": canary})
    await asked(school, f'{{ referrals(service: "{canary}") {{ totalCount }} {canary} }}', note=canary)
    await service.http.post("/oauth/token", data={"grant_type": canary, "scope": canary}, auth=(canary, canary))


async def plant_in_headers(service: Service, canaries: Canaries) -> None:
    """Send canaries in every header of the contract, with reads and writes that succeed and with such that fail."""
    school = service.as_("school")
    for name in HEADERS:
        canary = canaries.new(f"header {name}")
        value = f'"{canary}"' if name == "If-Match" else canary
        body = pupil_referral("OT", upn=None, nhs_number=None, family_name=f"Ashgrove {HEADERS.index(name)}")
        for method, address in (("GET", "/v1/me"), ("POST", "/v1/referrals"), ("GET", "/v1/none")):
            headers = {"Idempotency-Key": str(uuid4()), name: value}
            answer = await school.call(method, address, headers=headers, **({"json": body} if method == "POST" else {}))
            assert not canaries.found_in(str(answer.headers) + answer.text), f"{name} is echoed"
        path, _, _ = await newest(school, "/v1/referrals")
        await school.call("PATCH", path, headers={"If-Match": '"1"', name: value}, json={"need": "SEMH"})


async def read_over_rest(caller: Caller) -> list[str]:
    """Read every page of every list, every record and every list under a record."""
    texts, known = list[str](), dict[str, list[str]]()
    for route in sorted(READS, key=lambda route: route.path.count("{")):
        if route.operation.scope not in caller.client.scopes:
            continue
        reading = route.reading
        if reading.search:
            for number in ({"upn": "B801200005001"}, {"nhs_number": "9990000018"}):
                texts.append((await caller.search(number)).text)
            continue
        parent = reading.under or (None if reading.many else reading.resource)
        places = [re.sub(r"{\w+}", key, route.path) for key in known.get(parent.name, [])] if parent else [route.path]
        for place in places:
            following: str | None = place + ("?limit=200" if reading.many else "")
            while following:
                answer = await caller.get(following)
                assert answer.status_code == 200, f"{following}: {answer.text}"
                texts.append(answer.text)
                if reading.many and not reading.under:
                    known.setdefault(reading.resource.name, []).extend(each["id"] for each in answer.json()["data"])
                following = answer.headers.get("Link", "<").split(">")[0][1:]
        if reading.resource.name == "audit_events":
            known[reading.resource.name] = known[reading.resource.name][:3]
    return texts


async def read_over_graphql(caller: Caller) -> list[str]:
    """Read every list of the root, with all that its relations lead to."""
    texts = []
    for (kind, root), link in graphql_api().bindings.links.items():
        if kind == "Query" and link.many and link.resource.read_scope in caller.client.scopes:
            answer = await asked(caller, whole_list(root, link, caller.client.scopes))
            assert "errors" not in answer.json(), answer.text
            texts.append(answer.text)
    return texts


def clients(service: Service) -> list[tuple[str, Caller]]:
    """Every client of both areas, those of the second by another name, and the operator."""
    found = [(key, service.as_(key)) for key in service.area().clients]
    found += [(f"{key} elsewhere", service.as_(key, "fenmark")) for key in service.area("fenmark").clients]
    return [*found, ("operator", service.as_("operator"))]


@pytest.mark.parametrize("way", [ByRest(), ByGraphQL()], ids=["REST", "GraphQL"])
async def test_a_name_in_any_text_or_header_reaches_nobody_who_may_not_see_it(
    service: Service, way: ByRest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = Canaries()
    await plant(service, way, canaries)
    derived = {f"{operation}{path}" for operation, paths in TEXTS.items() for path in paths}
    assert set(canaries.planted.values()) == derived, "a free text was not planted"
    kept = set(canaries.planted)
    await plant_what_is_refused(service, way, canaries)
    await plant_in_headers(service, canaries)
    seen = set[str]()
    for key, caller in clients(service):
        for text in [*await read_over_rest(caller), *await read_over_graphql(caller)]:
            assert canaries.wrongly_in(text, key) == [], key
            seen |= canaries.found_in(text)
    leaves = {canaries.planted[canary].rpartition("/")[2] for canary in kept}
    assert {canaries.planted[canary].rpartition("/")[2] for canary in seen} == leaves
    assert await columns_with_canaries(service.superuser_url) == {}, "what may name a child is sealed"
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [line for line in logged if canaries.found_in(line)] == []


def test_every_body_of_a_partner_is_planted(shared_service: Service) -> None:
    written = {operation["operationId"] for operation in written_by_partners(CONTRACT)}
    assert written == bodies(shared_service).keys() - {"group"} | {"search_referrals"}
    assert HEADERS
