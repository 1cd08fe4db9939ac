"""What a GraphQL request may be: its form, its size, its caller."""

import gc
import json

import pytest
from graphql import StringValueNode
from support.api_client import Service
from support.graphql_requests import GRAPHQL, asked, codes

from convenor_graphql.limits import MAX_ALIASES, MAX_DEPTH, MAX_ERRORS, MAX_TOKENS
from convenor_graphql.planner import MAX_COST
from convenor_graphql.schema import graphql_api


def chained(count: int) -> str:
    """Fragments of which each spreads the next."""
    links = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(count))
    return f"{links} fragment f{count} on Query {{ __typename }}"


async def test_a_caller_without_a_token_is_not_even_shown_the_schema(shared_service: Service) -> None:
    refused = await shared_service.http.post("/graphql", json={"query": "{ __schema { types { name } } }"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


async def test_a_caller_with_a_token_is_shown_the_schema(shared_service: Service) -> None:
    answer = await asked(shared_service.as_("board"), "{ __schema { queryType { name } } clusters { totalCount } }")
    assert answer.json()["data"] == {"__schema": {"queryType": {"name": "Query"}}, "clusters": {"totalCount": 2}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([{"query": "{ __typename }"}], "batch_refused"),
        ({"query": "{ __typename }", "id": "1"}, "query_unreadable"),
        ({"query": 1}, "query_unreadable"),
        ("{ __typename }", "query_unreadable"),
        ({"query": "{ nowhere }"}, "query_invalid"),
        ({"query": "{ clusters { edges { node { code"}, "query_invalid"),
        ({"query": "query A { __typename } query B { __typename }"}, "query_invalid"),
        ({"query": "query ($id: ID!) { referral(id: $id) { id } }"}, "query_invalid"),
        ({"query": "subscription { clusters { totalCount } }"}, "query_invalid"),
    ],
)
async def test_a_request_that_is_none_says_what_is_wrong(shared_service: Service, body: object, code: str) -> None:
    refused = await shared_service.as_("board").call("POST", "/graphql", json=body, headers={"Accept": GRAPHQL})
    assert (refused.status_code, codes(refused)) == (400, [code])
    assert "data" not in refused.json()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("query=%ff", "The query string is not valid percent-encoded UTF-8."),
        ("query={__typename}&query={__typename}", "A parameter is repeated."),
        ("query={__typename}&variables={", "The body is not JSON at line 1, column 2."),
        ("query={__typename}&variables=[]", "`variables` and `extensions` are objects."),
        ("query={__typename}&extensions=1", "`variables` and `extensions` are objects."),
    ],
)
async def test_parameters_that_cannot_be_read_say_what_is_wrong(
    shared_service: Service, query: str, detail: str
) -> None:
    refused = await shared_service.as_("board").call("GET", f"/graphql?{query}", headers={"Accept": GRAPHQL})
    assert (refused.status_code, codes(refused)) == (400, ["query_unreadable"])
    assert refused.json()["errors"][0]["message"] == detail


@pytest.mark.parametrize(
    ("media", "content", "status", "code"),
    [
        ("application/json", b"{", 400, "query_unreadable"),
        ("application/json", b'{"query": "{ __typename }", "query": "{ __typename }"}', 422, "invalid"),
        ("application/json", b'{"query": "\xe9"}', 400, "query_unreadable"),
        ("application/json; charset=iso-8859-1", b'{"query": "{ __typename }"}', 415, "wrong_media_type"),
        ("text/plain", b'{"query": "{ __typename }"}', 415, "wrong_media_type"),
        ("", b'{"query": "{ __typename }"}', 415, "wrong_media_type"),
    ],
)
async def test_a_body_that_cannot_be_read_says_what_is_wrong(
    shared_service: Service, media: str, content: bytes, status: int, code: str
) -> None:
    headers = {"Accept": GRAPHQL, "Content-Type": media}
    refused = await shared_service.as_("board").call("POST", "/graphql", content=content, headers=headers)
    assert (refused.status_code, codes(refused)) == (status, [code])


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
async def test_a_body_in_utf_8_may_say_so(shared_service: Service, media: str) -> None:
    headers = {"Accept": GRAPHQL, "Content-Type": media}
    content = b'{"query": "{ __typename }"}'
    answer = await shared_service.as_("board").call("POST", "/graphql", content=content, headers=headers)
    assert answer.json()["data"] == {"__typename": "Query"}


async def test_a_code_leads_to_a_page_about_it(shared_service: Service) -> None:
    refused = await asked(shared_service.as_("board"), "{ nowhere }")
    page = await shared_service.http.get(refused.json()["errors"][0]["extensions"]["type"])
    assert page.status_code == 200


async def test_a_mutation_does_not_come_by_get(shared_service: Service) -> None:
    query = 'mutation { updateReferral(id: "R1", ifVersion: 1, input: { priority: soon }) { referral { id } } }'
    refused = await shared_service.as_("school").call(
        "GET", "/graphql", params={"query": query}, headers={"Accept": GRAPHQL}
    )
    assert (refused.status_code, codes(refused), refused.headers["Allow"]) == (405, ["mutation_by_get"], "POST")
    by_head = await shared_service.as_("school").call(
        "HEAD", "/graphql", params={"query": query}, json={"query": query}
    )
    assert (by_head.status_code, by_head.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        (f"{GRAPHQL}, application/json", GRAPHQL),
        (f"application/json, {GRAPHQL}", "application/json"),
        (f"application/json;q=0.1, {GRAPHQL};charset=utf-8", GRAPHQL),
        (f"{GRAPHQL};q=0, application/json;q=0.5", "application/json"),
    ],
)
async def test_the_answer_comes_as_the_client_likes_it_best(shared_service: Service, accept: str, media: str) -> None:
    answer = await asked(shared_service.as_("board"), "{ __typename }", accept)
    assert answer.headers["Content-Type"].split(";")[0] == media


async def test_a_query_does_with_variables(shared_service: Service) -> None:
    params = {"query": "query ($n: Int!) { schools(first: $n) { edges { node { urn } } } }", "variables": '{"n": 1}'}
    answer = await shared_service.as_("board").call("GET", "/graphql", params=params)
    assert answer.json()["data"] == {"schools": {"edges": [{"node": {"urn": "900001"}}]}}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{" + " ".join(f"a{n}: __typename" for n in range(3_000)) + "}", f"more than {MAX_TOKENS} tokens"),
        ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", f"more than {MAX_ALIASES} aliases"),
        ("{ clusters { edges { node " + "{ referrals { edges { node { service " * 12 + "}", "Syntax Error"),
        (
            "{ referral(id: 1) " + "{ service { referrals { edges { node " * 12 + "{ id }" + "} } } }" * 12 + "}",
            f"more than {MAX_DEPTH} levels",
        ),
        (
            "{ __schema " + "{ types { fields { type { name } } } }" + "} #" + "x" * 100_000,
            "more than 100000 code points",
        ),
        ("query { ..." + "a } fragment a on Query { ...a }", "Cannot spread fragment"),
        ("{ ...f0 } " + chained(600), f"more than {MAX_DEPTH} nested fragments"),
        ("{ schools { edges { node { " + "...f0 " * 1_001 + "} } } } fragment f0 on School { id }", "more than 1,000"),
        ("{" + " schools { edges { node { name } } }" * 100 + "}", "query it once"),
        ("{ __typename } fragment unused on School {" + " name" * 101 + " }", "query it once"),
        ("{ __schema { names: types { name } } }", "may use no aliases"),
        ("{ a: __schema { types { name } } b: __schema { types { name } } }", "types of the schema"),
        ("{" + " ".join(f'a{n}: __type(name: "A") {{ name }}' for n in range(11)) + "}", "types of the schema"),
        ("{" + " ".join(f"a{n}: areas {{ totalCount }}" for n in range(51)) + "}", "more than 50 top-level fields"),
        (
            "{ schools { edges { node {" + " ".join(f"a{n}: referrals {{ totalCount }}" for n in range(21)) + "} } } }",
            "more than 20 links of one record",
        ),
        ("{ schools(first: " + "[" * 2_000 + "]" * 2_000 + ") { totalCount } }", "nested too deeply"),
        ("{ " + "n" * 64 + " }", "A name has 64 characters"),
        ("{ clusters(first: 201) { totalCount } }", None),
        (
            "{ referrals(first: 200) { edges { node { service { referrals(first: 200) { edges { node { transitions"
            " { edges { node { id } } } } } } } } } } }",
            f"the limit is {MAX_COST:,}",
        ),
    ],
    ids=[
        "tokens",
        "aliases",
        "deep and unclosed",
        "depth",
        "text",
        "fragment in itself",
        "chained fragments",
        "spreads",
        "repeated fields",
        "unused and repeated",
        "aliases of the schema",
        "the schema twice",
        "many types of the schema",
        "many roots",
        "many links",
        "deep values",
        "long name",
        "page",
        "records",
    ],
)
async def test_a_document_beyond_a_limit_is_refused(shared_service: Service, query: str, reason: str | None) -> None:
    refused = await asked(shared_service.as_("commissioner"), query)
    assert refused.status_code in (400, 422)
    assert "data" not in refused.json()
    message = refused.json()["errors"][0]["message"]
    faults = refused.json()["errors"][0]["extensions"].get("errors", [])
    assert reason in message if reason else [fault["pointer"] for fault in faults] == ["/clusters/first"]


async def test_fragments_that_double_at_each_level_are_measured_without_being_spread(shared_service: Service) -> None:
    levels = "".join(
        f"fragment f{n} on Service {{ a: referrals {{ edges {{ node {{ service {{ ...f{n + 1} }} }} }} }}"
        f" b: referrals {{ edges {{ node {{ service {{ ...f{n + 1} }} }} }} }} }} "
        for n in range(30)
    )
    query = levels + "fragment f30 on Service { id } { service(id: 1) { ...f0 } }"
    assert codes(await asked(shared_service.as_("commissioner"), query)) == ["query_too_large"]


async def test_what_a_query_costs_is_told(shared_service: Service) -> None:
    query = "{ clusters(first: 5) { edges { node { schools(first: 20) { edges { node { name } } } } } } }"
    answer = await asked(shared_service.as_("board"), query)
    assert answer.json()["extensions"] == {"cost": {"records": 105}, "redacted": []}


async def test_every_fault_of_the_arguments_is_named_at_once(shared_service: Service) -> None:
    query = '{ mine: referrals(first: 0, after: "x", school: "\\u0007") { totalCount } }'
    refused = await asked(shared_service.as_("commissioner"), query)
    assert refused.status_code == 422
    faults = refused.json()["errors"][0]["extensions"]["errors"]
    assert [fault["pointer"] for fault in faults] == ["/mine/first", "/mine/after", "/mine/school"]


async def test_an_argument_that_is_text_never_becomes_sql(shared_service: Service) -> None:
    query = "query ($s: String) { referrals(service: $s) { totalCount } }"
    answer = await asked(shared_service.as_("commissioner"), query, s="'; --")
    assert answer.json()["data"] == {"referrals": {"totalCount": 0}}


async def test_a_word_that_the_closed_list_lacks_is_refused(shared_service: Service) -> None:
    refused = await asked(shared_service.as_("commissioner"), "{ referrals(status: Submitted) { totalCount } }")
    assert codes(refused) == ["query_invalid"]
    refused = await asked(shared_service.as_("auditor"), '{ a: auditEvents(action: ["me:read", "me"]) { totalCount } }')
    (fault,) = refused.json()["errors"][0]["extensions"]["errors"]
    assert (refused.status_code, fault["pointer"], fault["code"]) == (422, "/a/action", "action")


async def test_several_words_of_a_closed_list_select_any_of_them(shared_service: Service) -> None:
    query = """query ($several: [Offer!]) {
      core: services(offer: core) { totalCount }
      local: services(offer: [local]) { totalCount }
      both: services(offer: $several) { totalCount }
    }"""
    found = (await asked(shared_service.as_("board"), query, several=["core", "local"])).json()["data"]
    counts = {name: found[name]["totalCount"] for name in found}
    assert counts["both"] == counts["core"] + counts["local"] > counts["core"] > 0


NAME = "Wren Hollowfield"


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("mutation ($it: ReferralInput!) { WRITE(input: $it) }", {"reason": NAME}),
        ("mutation ($it: ReferralInput!) { WRITE(input: $it) }", NAME),
        ("mutation ($it: ReferralInput!) { WRITE(input: $it) }", {"reason": [NAME], "need": NAME, "extra": NAME}),
        (f'mutation {{ WRITE(input: {{ reason: "{NAME}", need: "{NAME}", extra: "{NAME}" }}) }}', None),
        (f'{{ referrals(upn: ["{NAME}", "{NAME}"]) {{ totalCount }} }}', None),
        (f'{{ referrals(upn "{NAME}") {{ totalCount }} }}', None),
        (f'{{ referrals(first: "{NAME}") {{ totalCount }} }}', None),
        ("query ($it: Int) { referrals(first: $it) { totalCount } }", NAME),
    ],
)
async def test_no_refusal_repeats_what_was_sent(shared_service: Service, query: str, given: object) -> None:
    written = query.replace("WRITE(", 'submitReferral(idempotencyKey: "k", ').replace(") }", ") { __typename } }")
    refused = await asked(shared_service.as_("school"), written, it=given)
    assert codes(refused)[0] == "query_invalid"
    assert "Wren" not in refused.text


async def test_an_object_of_a_thousand_unknown_members_is_told_of_a_few(shared_service: Service) -> None:
    query = 'mutation ($it: ReferralInput!) { submitReferral(input: $it, idempotencyKey: "k") { __typename } }'
    refused = await asked(shared_service.as_("school"), query, it={f"member{n}": n for n in range(20_000)})
    assert refused.status_code == 400
    assert len(refused.json()["errors"]) <= MAX_ERRORS + 1


async def test_what_a_document_says_of_a_pupil_is_not_kept(shared_service: Service) -> None:
    queries = (
        f'{{ referrals(service: "{NAME}") {{ totalCount }} }}',
        f'mutation {{ updateReferral(id: "x", ifVersion: 1, input: {{ reason: "{NAME}" }}) {{ referral {{ id }} }} }}',
    )
    for query in queries:
        await asked(shared_service.as_("school"), query)
    gc.collect()
    assert [node for node in gc.get_objects() if isinstance(node, StringValueNode) and node.value == NAME] == []


async def test_cursors_are_those_of_rest(shared_service: Service) -> None:
    board = shared_service.as_("board")
    query = """query ($after: String) {
      schools(first: 2, after: $after) {
        edges { cursor node { urn } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }"""
    first = (await asked(board, query)).json()["data"]["schools"]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    by_rest = await board.get("/v1/schools", limit=2)
    following = await board.get("/v1/schools", cursor=first["pageInfo"]["endCursor"])
    second = (await asked(board, query, after=by_rest.json()["next"])).json()["data"]["schools"]
    assert [edge["node"]["urn"] for edge in second["edges"]] == [school["urn"] for school in following.json()["data"]]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)


@pytest.mark.parametrize("accept", [GRAPHQL, "application/json"])
async def test_what_is_refused_is_refused_in_the_audit_too(shared_service: Service, accept: str) -> None:
    absent = '{ referral(id: "01900000-0000-7000-8000-000000000000") { id } }'
    outcomes = {
        "{ nowhere }": (400, "query_invalid"),
        absent: (404, "not_found"),
        "{ slas { totalCount } }": (403, "scope_missing"),
    }
    for query, outcome in outcomes.items():
        answer = await asked(shared_service.as_("school"), query, accept)
        events = await shared_service.as_("auditor").get("/v1/audit/events", client="school-999", status=outcome[0])
        found = {event["request_id"]: (event["status"], event["problem"]) for event in events.json()["data"]}
        assert found[answer.headers["x-request-id"]] == outcome


async def test_every_scope_that_is_missing_is_named(shared_service: Service) -> None:
    refused = await asked(
        shared_service.as_("school"), "{ slas { totalCount } impactReturns { totalCount } clusters { totalCount } }"
    )
    assert refused.json()["errors"][0]["extensions"]["scope"] == "slas:read impact_returns:read"


async def test_a_query_leaves_one_event(shared_service: Service) -> None:
    query = "{ clusters { edges { node { id schools { edges { node { id } } } } } } }"
    answer = await asked(shared_service.as_("finance"), query)
    auditor = shared_service.as_("auditor")
    events = (await auditor.get("/v1/audit/events", action="graphql:query", client="finance-999")).json()
    event = next(event for event in events["data"] if event["request_id"] == answer.headers["x-request-id"])
    shown = [edge["node"] for edge in answer.json()["data"]["clusters"]["edges"]]
    schools = [edge["node"]["id"] for node in shown for edge in node["schools"]["edges"]]
    assert sorted(event["records"]) == sorted([node["id"] for node in shown] + schools)


def test_the_schema_says_what_everything_in_it_is() -> None:
    introspected = graphql_api().schema.introspect()["__schema"]
    silent = [
        f"{kind['name']}.{member['name']}"
        for kind in introspected["types"]
        if not kind["name"].startswith("__")
        for member in [
            *(kind["fields"] or []),
            *(kind["inputFields"] or []),
            *(kind["enumValues"] or []),
            *(argument for field in kind["fields"] or [] for argument in field["args"]),
            {"name": "", "description": kind["description"]},
        ]
        if not member["description"]
    ]
    assert silent == []
    assert json.dumps(introspected)
