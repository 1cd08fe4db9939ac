"""One partner's software: it gets a token the way its client proves itself, and calls."""

import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import import_key

from convenor.configuration_error import ConfigurationError
from convenor.walkthrough.transcript import TourEnded, Transcript

CLIENTS_FILE = "demo-clients.json"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
POLLS, POLL_SECONDS = 100, 0.2
"""How often, and how soon again, to look for what is done after a change."""
_MEMBERS = {"client_id", "client_secret", "organisation", "private_key_jwk", "role", "scopes"}
GRAPHQL = "application/graphql-response+json"


def read_clients(data_dir: Path) -> list[dict[str, Any]]:
    """Read the demo's clients, in the order of their file.

    Raises:
        ConfigurationError: There is no such file, or it is not for this reader.
    """
    path = data_dir / CLIENTS_FILE
    found: Any = None
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, list) or not all(isinstance(each, dict) and each.keys() >= _MEMBERS for each in found):
        raise ConfigurationError(
            f"The demo's clients cannot be read from {path}.",
            "Start the demo first (`make demo`), and name its folder with --data-dir or CONVENOR_DATA_DIR.",
        )
    return found


@dataclass
class Partner:
    """A client of the demo at work."""

    http: httpx2.Client
    transcript: Transcript
    client: Mapping[str, Any]
    issuer: str
    token: str = field(default="", init=False, repr=False)

    @property
    def name(self) -> str:
        """The organisation that it calls for."""
        return str(self.client["organisation"])

    def sign_in(self, sentence: str, *scopes: str) -> None:
        """Request a token for these scopes, or for all of the client's; with its key if it has one."""
        wanted = scopes or tuple(self.client["scopes"])
        data = {"grant_type": "client_credentials", "scope": " ".join(wanted)}
        auth: httpx2.Auth = httpx2.Auth()
        if self.client["private_key_jwk"]:
            data |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self._assertion()}
        else:
            auth = httpx2.BasicAuth(self.client["client_id"], self.client["client_secret"])
        answer = self.http.post("/oauth/token", data=data, auth=auth)
        given = self._shown(sentence, answer, 200).json()
        self.token = given.get("access_token", "")
        self.transcript.expect("a Bearer token", given.get("token_type") == "Bearer", given.get("token_type"))
        self.transcript.expect("it lives for 300 seconds", given.get("expires_in") == 300, given.get("expires_in"))
        got = set(given.get("scope", "").split())
        self.transcript.expect("it has the requested scopes", got == set(wanted), sorted(got))

    def get(self, sentence: str, path: str, wanted: int = 200, **params: Any) -> httpx2.Response:
        """Send a GET with these parameters; `wanted` is the expected status."""
        return self._call("GET", sentence, path, wanted, params=params or None)

    def wait_for(self, sentence: str, path: str, **params: Any) -> list[dict[str, Any]]:
        """Read a list that is filled a moment after a change, until something is in it, and show it then."""
        headers = {"Authorization": f"Bearer {self.token}"}
        for _ in range(POLLS):
            if self.http.get(path, params=params, headers=headers).json().get("data"):
                break
            time.sleep(POLL_SECONDS)
        found: list[dict[str, Any]] = self.get(sentence, path, **params).json()["data"]
        self.transcript.expect("it is there", bool(found), found)
        if not found:
            raise TourEnded
        return found

    def search(self, sentence: str, path: str, body: Any) -> httpx2.Response:
        """Send a POST that reads: what it searches for stands in its body."""
        return self._call("POST", sentence, path, 200, json=body)

    def create(
        self,
        sentence: str,
        path: str,
        body: Any,
        wanted: int = 201,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> httpx2.Response:
        """Send a POST that creates a record, with a new idempotency key unless one is given."""
        headers = {"Idempotency-Key": key or str(uuid4())} | ({"If-Match": if_match} if if_match else {})
        return self._call("POST", sentence, path, wanted, json=body, headers=headers)

    def step(self, sentence: str, path: str, body: Any, etag: str | None, wanted: int = 201) -> httpx2.Response:
        """Move a record to another state, naming the version that was read."""
        headers = {"If-Match": etag} if etag else {}
        return self._call("POST", sentence, f"{path}/transitions", wanted, json=body, headers=headers)

    def bulk(self, sentence: str, path: str, records: Collection[Any]) -> list[dict[str, Any]]:
        """Send records in bulk, one a line, and return the result of each, in order."""
        lines = "".join(json.dumps(record) + "\n" for record in records)
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self._call("POST", sentence, path, 200, content=lines.encode(), headers=headers)
        return [json.loads(line) for line in answer.text.splitlines() if line]

    def graphql(self, sentence: str, query: str, wanted: int = 200, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL document and return the answer with its errors and extensions."""
        body = {"query": query, "variables": variables}
        answer = self._call("POST", sentence, "/graphql", wanted, json=body, headers={"Accept": GRAPHQL})
        given: dict[str, Any] = answer.json()
        return given

    def _call(self, method: str, sentence: str, path: str, wanted: int, **how: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | how.pop("headers", {})
        return self._shown(sentence, self.http.request(method, path, headers=headers, **how), wanted)

    def _shown(self, sentence: str, answer: httpx2.Response, wanted: int) -> httpx2.Response:
        self.transcript.show(sentence, answer)
        found = f"{answer.status_code} {answer.text[:400]}"
        self.transcript.expect(f"{wanted} for: {sentence}", answer.status_code == wanted, found)
        if answer.status_code != wanted:
            raise TourEnded
        return answer

    def _assertion(self) -> str:
        jwk, now = self.client["private_key_jwk"], int(time.time())
        who = self.client["client_id"]
        claims = {"iss": who, "sub": who, "aud": self.issuer, "iat": now, "exp": now + ASSERTION_SECONDS}
        header = {"alg": jwk["alg"], "kid": jwk["kid"], "typ": "JWT"}
        return jwt.encode(header, claims | {"jti": str(uuid4())}, import_key(jwk), algorithms=[jwk["alg"]])


def expect_fields(transcript: Transcript, record: Mapping[str, Any], *names: str) -> None:
    """Expect that all these fields are present; a dot leads into a nested field."""
    missing = [name for name in names if not _has(record, name)]
    transcript.expect(f"fields {', '.join(names)}", not missing, {"missing": missing})


def expect_field_errors(transcript: Transcript, answer: httpx2.Response, *pointers: str) -> None:
    """Expect a problem (RFC 9457) that names exactly these pointers."""
    problem = answer.json()
    kind = answer.headers.get("content-type", "")
    transcript.expect("a problem", kind.startswith("application/problem+json"), kind)
    expect_fields(transcript, problem, "type", "title", "status", "detail", "code", "request_id", "errors")
    found = {field_error["pointer"] for field_error in problem.get("errors", [])}
    transcript.expect(
        f"every field error is named: {', '.join(sorted(pointers))}", found == set(pointers), sorted(found)
    )


def _has(record: Any, name: str) -> bool:
    first, _, rest = name.partition(".")
    return isinstance(record, dict) and first in record and (not rest or _has(record[first], rest))
