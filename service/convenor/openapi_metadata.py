"""The sections of the contract and of the documentation, in their order, with what each is about."""

from importlib.metadata import version
from typing import Any

INFO: dict[str, Any] = {
    "title": "Convenor",
    "version": version("convenor"),
    "summary": "The facts of neighbourhood peer clusters, exchanged by schools, health and providers.",
    "description": (
        "One place where schools' MIS, NHS systems and provider portals exchange the same facts about services, "
        "referrals, sessions and outcomes, each seeing only what it may.\n\n"
        "Ask for a token at `/oauth/token` and send it as `Authorization: Bearer`. Unknown fields and parameters are "
        "refused. A problem (RFC 9457) names all faults of form at once; its `type` is a page with the way out. Within "
        "version 1 the contract only grows: be ready for new fields in answers.\n\n"
        "The same records are one graph at `/graphql`, with the same tokens, filters, cursors and problem codes; its "
        "contract is its schema, which the explorer shows at that address in a browser."
    ),
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
"""OpenAPI's Info Object."""

SECTIONS = {
    "oauth": "Access tokens, and what software needs to ask for one and to check it.",
    "me": "Who you are to this service: role, scopes, reach, agreement.",
    "areas": "Local authorities, each with its integrated care board. No record of one is visible in another.",
    "clusters": "Groups of schools that pool funding and buy services together; their schools and role holders.",
    "schools": "The directory of schools.",
    "networks": "Health geography: primary care networks by integrated care area.",
    "providers": "NHS bodies, local authority teams, voluntary organisations and others that provide services.",
    "services": "The offer: commissioned services with their providers, capacity and waits.",
    "slas": "Service level agreements: volumes, price, KPIs with targets, and the returns that are due.",
    "pathways": "The published pathways: states, steps, who makes each and what it requires.",
    "referrals": "A pupil, a group or a school, sent along a pathway to a service; every step is kept.",
    "contacts": "Therapy and support sessions. The first one attended starts the work and ends the wait.",
    "outcomes": "Changes that were measured: instrument, baseline and later value.",
    "impact returns": "What providers report against their SLAs, checked on arrival.",
    "benchmarks": "The same measure elsewhere, to compare with.",
    "insights": "Aggregates for those who plan and oversee; small numbers are suppressed.",
    "audit": "Who did what to which records, when and for which purpose.",
    "health": "Whether the service runs, and whether it can serve.",
}
"""What each tag is about."""
