"""What HTTP asks of every server, whatever it serves: HEAD, `Host`, `Allow` and content codings."""

import gzip
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
from fastapi.routing import APIRoute
from support.api_client import Service, pupil_referral
from support.killable_service import KillableService, killable_service
from support.referral_steps import ACCEPTED, line, referred

from convenor.http.route_index import methods_of, routes_of

CRLF = b"\r\n"
VARIES = {"date", "x-request-id"}
"""Headers that differ between two answers to one request."""


@dataclass(frozen=True)
class Received:
    """An answer, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def listening() -> Iterator[KillableService]:
    with killable_service() as service:
        yield service


@pytest.fixture(scope="module")
def token(listening: KillableService) -> str:
    client = listening.dataset.wendshire.clients["commissioner"]
    form = {"grant_type": "client_credentials", "scope": " ".join(client.scopes)}
    credentials = (client.client_id, client.secret)
    answer = httpx2.post(f"{listening.url}/oauth/token", data=form, auth=credentials, trust_env=False)
    return str(answer.json()["access_token"])


def sent(listening: KillableService, request_line: str, *headers: str) -> Received:
    """Sends a request as it is written here, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", listening.installation.port), timeout=30) as connection:
        head = CRLF.join(text.encode("latin-1") for text in (request_line, *headers, "Connection: close"))
        connection.sendall(head + CRLF + CRLF)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = received.partition(CRLF + CRLF)
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (text.partition(":") for text in lines)
    return Received(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in named}, body)


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("Host: one.example", "Host: one.example"),
        ("Host: one.example", "Host: two.example"),
        ("Host:",),
        ("Host: a b",),
        ("Host: a,b c",),
        ("Host: user@one.example",),
        ("Host: one.example/path",),
        ("Host: one.example:port",),
        ("Host: one.example:80:80",),
        ("Host: [::1",),
        ("Host: one%zz.example",),
        ("Host: \xe9.example",),
    ],
)
def test_a_request_without_exactly_one_host_in_good_form_is_refused(
    listening: KillableService, token: str, hosts: tuple[str, ...]
) -> None:
    for path in ("/v1/areas", "/health/live", "/", "/graphql", "/oauth/jwks", "/nothing"):
        refused = sent(listening, f"GET {path} HTTP/1.1", f"Authorization: Bearer {token}", *hosts)
        assert (refused.status, refused.headers["content-type"]) == (400, "application/problem+json"), path
        assert json.loads(refused.body)["code"] == "unreadable"


def test_a_host_is_refused_in_http_1_0_only_where_there_are_two_or_a_malformed_one(listening: KillableService) -> None:
    assert sent(listening, "GET /health/live HTTP/1.0").status == 200
    assert sent(listening, "GET /health/live HTTP/1.0", "Host: one.example").status == 200
    assert sent(listening, "GET /health/live HTTP/1.0", "Host: a b").status == 400
    assert sent(listening, "GET /health/live HTTP/1.0", "Host: a", "Host: a").status == 400


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "localhost", "other.example", "a_b:", "a "]
)
def test_any_host_in_good_form_is_served_and_appears_in_no_answer(
    listening: KillableService, token: str, host: str
) -> None:
    served = sent(listening, "GET /v1/schools?limit=1 HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}")
    assert served.status == 200
    assert served.headers["link"].startswith("</v1/schools?")


def chunked(listening: KillableService, path: str, *headers: str, trailer: tuple[str, ...]) -> Received:
    """Post a body in one chunk, and what follows it, in one piece: header and trailer arrive together."""
    body = b'{"query":"{__typename}"}'
    lines = [f"POST {path} HTTP/1.1", "Host: one.example", "Content-Type: application/json", *headers]
    head = [text.encode() for text in (*lines, "Connection: close", "Transfer-Encoding: chunked", "")]
    rest = [b"%x" % len(body), body, b"0", *(text.encode() for text in trailer), b"", b""]
    with socket.create_connection(("127.0.0.1", listening.installation.port), timeout=30) as connection:
        connection.sendall(CRLF.join([*head, *rest]))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    head_received, _, content = received.partition(CRLF + CRLF)
    return Received(int(head_received.split()[1]), {}, content)


def test_no_header_is_taken_from_a_trailer(listening: KillableService, token: str) -> None:
    proof = f"Authorization: Bearer {token}"
    assert chunked(listening, "/graphql", trailer=(proof,)).status == 401
    assert chunked(listening, "/graphql", proof, trailer=("Authorization: Bearer no", "X-Purpose: no")).status == 200
    unkeyed = chunked(listening, "/v1/clusters", proof, trailer=("Idempotency-Key: 1",))
    assert (unkeyed.status, json.loads(unkeyed.body)["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize("endless", [b"a:b\r\n", b"a"])
def test_a_trailer_without_end_ends_the_connection(listening: KillableService, endless: bytes) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: one.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    connection = socket.create_connection(("127.0.0.1", listening.installation.port), timeout=30)
    with connection, pytest.raises(OSError, match=r"reset|Broken pipe"):
        connection.sendall(head + endless * 8_000_000)
    assert sent(listening, "GET /health/live HTTP/1.1", "Host: one.example").status == 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Authorization", ("Bearer a", "Bearer b")),
        ("Content-Type", ("application/json", "text/plain")),
        ("Idempotency-Key", ("1", "2")),
        ("X-Purpose", ("direct support", "triage meeting")),
    ],
)
def test_a_header_that_has_one_value_is_refused_where_it_is_sent_twice(
    listening: KillableService, name: str, values: tuple[str, str]
) -> None:
    given = [f"{name}: {value}" for value in values]
    refused = sent(listening, "GET /v1/areas HTTP/1.1", "Host: one.example", *given)
    assert (refused.status, json.loads(refused.body)["detail"]) == (400, f"Send at most one `{name}` header.")


def test_a_target_in_absolute_form_is_served(listening: KillableService, token: str) -> None:
    address = f"Host: 127.0.0.1:{listening.installation.port}"
    served = sent(listening, f"GET {listening.url}/v1/areas HTTP/1.1", address, f"Authorization: Bearer {token}")
    assert served.status == 200


def test_head_answers_wherever_get_does_with_its_headers_and_without_a_body(
    listening: KillableService, token: str, shared_service: Service
) -> None:
    known = {"/problems/{code}": "not_found", "/docs/{section}": "referrals", "/v1/schools/{urn}": "900001"}
    answered = set()
    for route in routes_of(shared_service.app):
        if "GET" not in methods_of(route):
            continue
        for headers in ([f"Authorization: Bearer {token}"], []):
            path = re.sub(r"{\w+}", known.get(route.path, "1"), route.path)
            got, head = (
                sent(listening, f"{method} {path} HTTP/1.1", "Host: one.example", *headers)
                for method in ("GET", "HEAD")
            )
            assert got.body, path
            assert (head.status, head.body) == (got.status, b""), path
            for name in (got.headers.keys() | head.headers.keys()) - VARIES:
                assert head.headers.get(name) == got.headers.get(name), f"{path}: {name}"
            if got.status == 200:
                answered.add(route.path)
    assert {"/health/live", "/health/ready", "/oauth/jwks", "/.well-known/oauth-authorization-server"} <= answered
    assert {"/", "/openapi.json", "/docs", "/v1/me", "/v1/insights/referrals", "/v1/clusters/{cluster_id}"} <= answered


async def test_a_method_that_a_path_does_not_take_is_refused_naming_those_of_that_path_alone(
    shared_service: Service,
) -> None:
    routes, commissioner = routes_of(shared_service.app), shared_service.as_("commissioner")
    for path in {route.path for route in routes}:
        taken = {method for route in routes if route.path == path for method in methods_of(route)}
        for method in {"OPTIONS", "DELETE", "PUT"} - taken:
            refused = await commissioner.call(method, re.sub(r"{\w+}", "1", path))
            assert refused.status_code == 405, f"{method} {path}"
            assert refused.headers["Allow"] == ", ".join(sorted(taken)), f"{method} {path}"


async def test_the_merging_of_clusters_allows_post_alone(shared_service: Service) -> None:
    refused = await shared_service.as_("commissioner").call("OPTIONS", "/v1/clusters/merge")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip", "x-unknown"])
async def test_a_body_in_a_content_coding_is_refused_wherever_one_is_taken(service: Service, coding: str) -> None:
    takes = [
        (min(route.methods), re.sub(r"{\w+}", "1", route.path))
        for route in routes_of(service.app)
        if isinstance(route, APIRoute) and "GET" not in route.methods
    ]
    assert {("POST", "/oauth/token"), ("POST", "/v1/bulk/contacts"), ("PATCH", "/v1/areas/1")} <= set(takes)
    for method, path in [*takes, ("POST", "/graphql")]:
        for content in (gzip.compress(b"{}"), b"{}"):
            refused = await service.as_("commissioner").call(
                method, path, content=content, headers={"Content-Encoding": coding, "Content-Type": "application/json"}
            )
            assert (refused.status_code, refused.json()["code"]) == (415, "wrong_content_encoding"), path
            assert refused.headers["Accept-Encoding"] == "identity"


async def test_an_encoded_body_of_unknown_length_or_in_a_second_header_is_refused_and_nothing_is_stored(
    service: Service,
) -> None:
    school = service.as_("school")
    body = json.dumps(pupil_referral("SLT")).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    twice = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
    for headers in ([("Content-Encoding", "gzip")], twice):
        token = school.token or await school.authorise()
        own = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"), ("Idempotency-Key", "k")]
        refused = await service.http.post("/v1/referrals", content=chunks(), headers=[*own, *headers])
        assert refused.status_code == 415, refused.text
    assert (await school.get("/v1/referrals", count="true")).json()["count"] == 0


async def test_a_body_that_is_said_to_be_as_it_is_is_taken(service: Service) -> None:
    referral = await referred(service, *ACCEPTED)
    for coding in ("identity", "Identity", ""):
        headers = {"Content-Encoding": coding, "Content-Type": "application/x-ndjson"}
        content = json.dumps(line(referral, "EPR-1")).encode()
        loaded = await service.as_("trust").call("POST", "/v1/bulk/contacts", content=content, headers=headers)
        assert loaded.status_code == 200, loaded.text


async def test_a_content_coding_of_no_body_is_passed_over(shared_service: Service) -> None:
    answer = await shared_service.as_("school").call("GET", "/v1/areas", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200
