"""Describe the API and its sections, in their order in the contract and the documentation."""

from importlib.metadata import version
from typing import Any

from convenor.features import FEATURES
from convenor.http.read_routes import Tag

INFO: dict[str, Any] = {
    "title": "Convenor",
    "version": version("convenor"),
    "summary": "Shared records of neighbourhood peer clusters, for schools, health services and providers.",
    "description": (
        "Schools' MIS, NHS systems and provider portals share the same records of services, referrals, sessions and "
        "outcomes. Each sees only what its role allows.\n\n"
        "Request a token at `/oauth/token` and send it as `Authorization: Bearer`. Unknown fields and parameters are "
        "errors. Text is kept, and its length counted, in Unicode's composed form (NFC). A problem (RFC 9457) lists "
        "all field errors of format at once; its `type` is a page that says what to do. Version 1 only adds fields, "
        "parameters and addresses: ignore fields that you do not know.\n\n"
        "GraphQL gives the same records at `/graphql`, with the same tokens, filters, cursors and problem codes. Its "
        "contract is its schema, which the explorer at that address shows in a browser."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
"""OpenAPI's Info Object."""

_OAUTH = Tag("oauth", "Access tokens, and the metadata and keys that software needs to request and verify them.")
_HEALTH = Tag("health", "Whether the service is running, and whether it is ready to answer.")

SECTIONS = {tag.name: tag.description for tag in (_OAUTH, *(each.router.tag for each in FEATURES), _HEALTH)}
"""The sections of the contract and of the documentation, in their order, with what each is about."""
