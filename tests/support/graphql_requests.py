"""Asking GraphQL as a partner does."""

from typing import Any

import httpx2
from support.api_client import Caller

GRAPHQL = "application/graphql-response+json"


async def asked(caller: Caller, query: str, accept: str = GRAPHQL, **variables: Any) -> httpx2.Response:
    """Send a document with variables."""
    body = {"query": query, "variables": variables}
    return await caller.call("POST", "/graphql", json=body, headers={"Accept": accept})


def codes(answer: httpx2.Response) -> list[str]:
    """Return the codes of an answer's errors."""
    return [error["extensions"]["code"] for error in answer.json()["errors"]]


def camelled(body: Any) -> Any:
    """Return a body of REST as an input."""
    if isinstance(body, dict):
        named = {name.split("_")[0] + "".join(part.capitalize() for part in name.split("_")[1:]): name for name in body}
        return {name: camelled(body[own]) for name, own in named.items()}
    return [camelled(member) for member in body] if isinstance(body, list) else body
