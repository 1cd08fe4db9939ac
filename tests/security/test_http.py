"""What HTTP asks of every server, whatever it serves: HEAD and `Allow`."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from faults.installed import Installation, installed
from partner import Service

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
def listening() -> Iterator[Installation]:
    with installed() as made:
        yield made


@pytest.fixture(scope="module")
def token(listening: Installation) -> str:
    client = listening.world.wendshire.clients["commissioner"]
    form = {"grant_type": "client_credentials", "scope": " ".join(client.scopes)}
    credentials = (client.client_id, client.secret)
    answer = httpx2.post(f"{listening.base_url}/oauth/token", data=form, auth=credentials, trust_env=False)
    return str(answer.json()["access_token"])


def sent(listening: Installation, request_line: str, *headers: str) -> Received:
    """Sends a request as it is written here, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", listening.port), timeout=30) as connection:
        head = CRLF.join(text.encode("latin-1") for text in (request_line, *headers, "Connection: close"))
        connection.sendall(head + CRLF + CRLF)
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = received.partition(CRLF + CRLF)
    first, *lines = head.decode("latin-1").split("\r\n")
    named = (text.partition(":") for text in lines)
    return Received(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in named}, body)


def test_head_answers_wherever_get_does_with_its_headers_and_without_a_body(
    listening: Installation, token: str, standing: Service
) -> None:
    known = {"/problems/{code}": "not_found", "/docs/{section}": "referrals", "/v1/schools/{urn}": "900001"}
    answered = set()
    for route in standing.app.state.routes:
        if "GET" not in route.methods:
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
    assert {"/", "/openapi.json", "/docs", "/v1/me", "/v1/insights/referrals", "/v1/clusters/{id}"} <= answered


async def test_a_method_that_a_path_does_not_take_is_refused_naming_those_of_that_path_alone(
    standing: Service,
) -> None:
    routes, commissioner = standing.app.state.routes, standing.as_("commissioner")
    for path in {route.path for route in routes}:
        taken = {method for route in routes if route.path == path for method in route.methods}
        for method in {"OPTIONS", "DELETE", "PUT"} - taken:
            refused = await commissioner.call(method, re.sub(r"{\w+}", "1", path))
            assert refused.status_code == 405, f"{method} {path}"
            assert refused.headers["Allow"] == ", ".join(sorted(taken)), f"{method} {path}"


async def test_the_merging_of_clusters_allows_post_alone(standing: Service) -> None:
    refused = await standing.as_("commissioner").call("OPTIONS", "/v1/clusters/merge")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
