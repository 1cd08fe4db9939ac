"""Describe the API and its sections, in their order in the contract and the documentation."""

from importlib.metadata import version
from typing import Any

INFO: dict[str, Any] = {
    "title": "Convenor",
    "version": version("convenor"),
    "summary": "Shared records of neighbourhood peer clusters, for schools, health services and providers.",
    "description": (
        "Schools' MIS, NHS systems and provider portals share the same records of services, referrals, sessions and "
        "outcomes. Each sees only what its role allows.\n\n"
        "Request a token at `/oauth/token` and send it as `Authorization: Bearer`. Unknown fields and parameters are "
        "errors. A problem (RFC 9457) lists all field errors of format at once; its `type` is a page that says what to "
        "do. Version 1 only adds fields, parameters and addresses: ignore fields that you do not know.\n\n"
        "GraphQL gives the same records at `/graphql`, with the same tokens, filters, cursors and problem codes. Its "
        "contract is its schema, which the explorer at that address shows in a browser."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
"""OpenAPI's Info Object."""

SECTIONS = {
    "oauth": "Access tokens, and the metadata and keys that software needs to request and verify them.",
    "me": "Your own access: role, scopes, row access and data sharing agreement.",
    "areas": "Local authorities, each with its integrated care board. Records of one area are not visible in another.",
    "clusters": "Groups of schools that pool funding and buy services together, with their schools and role holders.",
    "schools": "The directory of schools.",
    "networks": "Health geography: primary care networks by integrated care area.",
    "providers": "NHS bodies, local authority teams, voluntary organisations and others that provide services.",
    "services": "Commissioned services with their providers, capacity and waiting times.",
    "slas": "Service level agreements: volumes, price, KPIs with targets, and the returns that are due.",
    "pathways": "The published pathways: states, steps, who makes each step and what it requires.",
    "referrals": "Referrals of a pupil, a group or a school to a service, with every step along the pathway.",
    "contacts": "Therapy and support sessions. The first attended session ends the wait.",
    "outcomes": "Measured change: the instrument, the baseline and the later value.",
    "impact returns": "What providers report against their SLAs. Each return is checked when it arrives.",
    "benchmarks": "Published values of the same measures elsewhere, for comparison.",
    "insights": "Aggregates for planning and oversight, in which small numbers are suppressed.",
    "audit": "Who did what to which records, when and for which purpose.",
    "health": "Whether the service is running, and whether it is ready to answer.",
}
"""The description of each tag."""
