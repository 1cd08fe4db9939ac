"""A naive reference: graphql-core's own executor resolves every field, one by one, from the answers of REST.

It knows nothing of the machine under test. Who sees what, in which order and up to which page is what REST says to the
same client; how records hang together is written down here by hand.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    VariableNode,
    build_schema,
    execute,
    get_named_type,
    parse,
    value_from_ast_untyped,
)
from support.api_client import Caller

from convenor.domain_types.dates import today
from convenor.security.principal import Role
from convenor_graphql.schema import graphql_api

Record = dict[str, Any]

LISTS = {
    "areas": "/v1/areas",
    "clusters": "/v1/clusters",
    "schools": "/v1/schools",
    "providers": "/v1/providers",
    "services": "/v1/services",
    "clusterMemberships": "/v1/cluster-memberships",
    "networks": "/v1/networks",
    "benchmarks": "/v1/benchmarks",
    "slas": "/v1/slas",
    "pathways": "/v1/pathways",
    "referrals": "/v1/referrals",
    "contacts": "/v1/contacts",
    "outcomes": "/v1/outcomes",
    "impactReturns": "/v1/impact-returns",
    "pupilMatches": "/v1/pupil-matches",
    "handovers": "/v1/handovers",
    "handoverRequests": "/v1/handover-requests",
    "auditEvents": "/v1/audit/events",
}
"""The lists of the root."""

RECORDS = {
    "Area": "/v1/areas",
    "Cluster": "/v1/clusters",
    "School": "/v1/schools",
    "Provider": "/v1/providers",
    "Service": "/v1/services",
    "Membership": "/v1/cluster-memberships",
    "ClusterRole": "/v1/cluster-roles",
    "Network": "/v1/networks",
    "Benchmark": "/v1/benchmarks",
    "Sla": "/v1/slas",
    "Pathway": "/v1/pathways",
    "Referral": "/v1/referrals",
    "Contact": "/v1/contacts",
    "Outcome": "/v1/outcomes",
    "ImpactReturn": "/v1/impact-returns",
    "PupilMatch": "/v1/pupil-matches",
    "Handover": "/v1/handovers",
    "HandoverRequest": "/v1/handover-requests",
    "AuditEvent": "/v1/audit/events",
}
"""Where one record is read, by its type."""

ONES = {
    ("Referral", "service"): "/v1/services/{service_id}",
    ("Referral", "school"): "/v1/schools/{school_id}",
    ("Contact", "referral"): "/v1/referrals/{referral_id}",
    ("Outcome", "referral"): "/v1/referrals/{referral_id}",
    ("ImpactReturn", "sla"): "/v1/slas/{sla_id}",
    ("ClusterSchool", "school"): "/v1/schools/{id}",
}
"""The record that a field leads to."""

PATHS = {
    ("Cluster", "schools"): "/v1/clusters/{id}/schools",
    ("Cluster", "roles"): "/v1/clusters/{id}/roles",
    ("Referral", "transitions"): "/v1/referrals/{id}/transitions",
    ("Referral", "contacts"): "/v1/referrals/{id}/contacts",
    ("Referral", "outcomes"): "/v1/referrals/{id}/outcomes",
    ("Contact", "outcomes"): "/v1/referrals/{referral_id}/outcomes",
    ("Sla", "transitions"): "/v1/slas/{id}/transitions",
    ("ImpactReturn", "transitions"): "/v1/impact-returns/{id}/transitions",
    ("PupilMatch", "decisions"): "/v1/pupil-matches/{id}/decisions",
}
"""The lists that REST has under a record's path."""

FILTERED = {
    ("Cluster", "services"): ("services", "cluster", "{id}"),
    ("Cluster", "slas"): ("slas", "cluster", "{id}"),
    ("Cluster", "referrals"): ("referrals", "cluster", "{id}"),
    ("School", "memberships"): ("clusterMemberships", "school", "{id}"),
    ("School", "referrals"): ("referrals", "school", "{id}"),
    ("ClusterSchool", "referrals"): ("referrals", "school", "{id}"),
    ("Provider", "services"): ("services", "provider", "{id}"),
    ("Provider", "slas"): ("slas", "provider", "{id}"),
    ("Service", "slas"): ("slas", "service", "{id}"),
    ("Service", "referrals"): ("referrals", "service", "{id}"),
    ("Sla", "referrals"): ("referrals", "service", "{service[id]}"),
    ("Sla", "impactReturns"): ("impactReturns", "sla", "{id}"),
}
"""Of a whole list, those that its filter names."""

SCOPES = {
    **dict.fromkeys(["Area", "Network", "Benchmark"], "areas:read"),
    **dict.fromkeys(["Cluster", "ClusterSchool", "ClusterRole", "Membership"], "clusters:read"),
    **dict.fromkeys(["Referral", "Transition", "Handover", "HandoverRequest"], "referrals:read"),
    **dict.fromkeys(["Sla", "SlaTransition"], "slas:read"),
    **dict.fromkeys(["ImpactReturn", "ReturnTransition"], "impact_returns:read"),
    **dict.fromkeys(["PupilMatch", "PupilDecision"], "pupils:identify"),
    "School": "schools:read",
    "Provider": "providers:read",
    "Service": "services:read",
    "Pathway": "pathways:read",
    "Contact": "contacts:read",
    "Outcome": "outcomes:read",
    "AuditEvent": "audit:read",
}
"""What a token needs for a type."""

SEARCHES_BY = {"upn": {Role.SCHOOL_MIS}, "nhsNumber": {Role.HEALTH_SYSTEM}}
"""Who may search by what only some may see; besides them, whoever may see who a pupil is."""


@cache
def schema() -> GraphQLSchema:
    """Return the schema as it is published, with no resolver in it."""
    return build_schema(graphql_api().sdl)


@cache
def parsed(query: str) -> DocumentNode:
    """Return a parsed document."""
    return parse(query)


def snake(name: str) -> str:
    """Return `submittedAt` as REST writes it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def order(sort: str) -> str:
    """Return `SUBMITTED_AT_DESC` as the `sort` of REST."""
    name, _, way = sort.lower().rpartition("_")
    return f"-{name}" if way == "desc" else name


def cursor_of(record: Record, sort: str) -> str:
    """Return the cursor behind a record, in an order of REST."""
    name = sort.removeprefix("-")
    value = record["period"]["from"] if name == "period_from" else record[name]
    if name in ("at", "submitted_at", "recorded_at", "found_at", "decided_at", "asked_at"):
        value = value.replace("T", " ").removesuffix("Z").rstrip("0").removesuffix(".") + "+00"
    written = json.dumps([sort, str(value), record["id"]], ensure_ascii=False)
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


@dataclass
class Rest:
    """What REST answers to one client, each question asked once: the dataset stands still meanwhile."""

    caller: Caller
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)

    async def get(self, path: str, **params: str) -> Any:
        """Return the body of an answer, with the version of a record; None for no record, or one of several."""
        asked = path, json.dumps(params)
        if asked not in self.answers:
            numbers = {name: params.pop(name) for name in ("upn", "nhs_number") if name in params}
            answer = await (self.caller.search(numbers, **params) if numbers else self.caller.get(path, **params))
            found = answer.json()
            if answer.status_code != 200:
                assert found["code"] in ("not_found", "ambiguous_key"), f"{path} {params}: {answer.text}"
                found = None
            if found and "ETag" in answer.headers:
                found["version"] = int(answer.headers["ETag"].strip('"'))
            self.answers[asked] = found
        return self.answers[asked]

    async def all(self, path: str, sort: str, after: str | None = None, **filters: str) -> list[Record]:
        """Return a whole list, page by page, from a cursor onwards."""
        found: list[Record] = []
        cursor = {"cursor": after} if after is not None else {}
        while True:
            page = await self.get(path, sort=sort, limit="20", count="true", **cursor, **filters)
            found += page["data"]
            if page["next"] is None:
                assert after is not None or page["count"] == len(found)
                return found
            assert page["next"] == cursor_of(found[-1], sort)
            cursor = {"cursor": page["next"]}


@dataclass
class Reference:
    """Answers queries of one client.

    Args:
        rest: that client's.
        directories: by area, somebody who reads the whole directory of that area and of no other.
        home: of a school's client, the area that it is in.
    """

    rest: Rest
    directories: Mapping[str, Rest]
    home: str

    async def answer(self, query: str, variables: Record) -> Record:
        """Return the `data` of an answer."""
        done = execute(
            schema(),
            parsed(query),
            variable_values=variables,
            field_resolver=self._field,
            type_resolver=lambda value, *_: f"{value['kind'].capitalize()}Subject",
        )
        result = done if not hasattr(done, "__await__") else await done
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    async def _field(self, source: Any, info: GraphQLResolveInfo, /, **given: Any) -> Any:
        kind, name = info.parent_type.name, info.field_name
        if "first" in given:
            return await self._page(kind, name, source, given)
        if kind == "Query":
            key = str(next(iter(given.values())))
            return await self.rest.get(f"{RECORDS[get_named_type(info.return_type).name]}/{key}")
        if (kind, name) in ONES:
            return await self.rest.get(ONES[kind, name].format(**source))
        if name == "version" and "version" not in source:
            return (await self.rest.get(f"{RECORDS[kind]}/{source['id']}"))["version"]
        return source.get(snake(name)) if not kind.endswith(("Connection", "Edge")) else source[name]

    async def _page(self, kind: str, name: str, source: Any, given: Record) -> Record:
        sort, first, after = order(given.pop("sort")), given.pop("first"), given.pop("after", None)
        filters = {snake(argument): _written(value) for argument, value in given.items() if value is not None}
        rows = await self._hanging(kind, name, source, sort, None, filters)
        behind = await self._hanging(kind, name, source, sort, after, filters) if after is not None else rows
        shown = behind[:first]
        edges = [{"node": row, "cursor": cursor_of(row, sort)} for row in shown]
        places = {
            "has_next_page": len(behind) > first,
            "has_previous_page": after is not None,
            "start_cursor": edges[0]["cursor"] if edges else None,
            "end_cursor": edges[-1]["cursor"] if edges else None,
        }
        page = {"edges": edges, "pageInfo": places, "totalCount": len(rows)}
        if name == "auditEvents":
            page["pupils"] = (await self.rest.get(LISTS[name], **filters)).get("pupils")
        return page

    async def _hanging(
        self, kind: str, name: str, source: Any, sort: str, after: str | None, filters: dict[str, str]
    ) -> list[Record]:
        """Return the rows of a link, behind a cursor."""
        if kind == "Query":
            return await self.rest.all(LISTS[name], sort, after, **filters)
        if (kind, name) in PATHS:
            return await self.rest.all(PATHS[kind, name].format(**source), sort, after, **filters)
        if kind == "Area":
            theirs = await self.directories[source["id"]].all(LISTS[name], sort, after, **filters)
            ids = {row["id"] for row in theirs}
            listed = name
        elif (kind, name) in FILTERED:
            listed, by, value = FILTERED[kind, name]
            ids = {row["id"] for row in await self._list(listed, "id", None, {by: value.format(**source)})}
        else:
            assert name == "services"
            listed, ids = name, await self._offered(source["id"])
        return [row for row in await self._list(listed, sort, after, filters) if row["id"] in ids]

    async def _offered(self, school: str) -> set[str]:
        """Return the services that a school's cluster buys today."""
        found = await self.rest.all(LISTS["clusterMemberships"], "id", school=school, as_at=today().isoformat())
        lists = [await self.rest.all(LISTS["services"], "code", cluster=member["cluster_id"]) for member in found]
        return {row["id"] for rows in lists for row in rows}

    async def _list(self, name: str, sort: str, after: str | None, filters: dict[str, str]) -> list[Record]:
        """Return a whole list. What a school's list of services leaves out it still reads one by one."""
        sort = sort if sort != "id" else DEFAULT_SORTS[name]
        if name != "services" or "cluster" in filters or self.rest.caller.client.role is not Role.SCHOOL_MIS:
            return await self.rest.all(LISTS[name], sort, after, **filters)
        theirs = await self.directories[self.home].all(LISTS[name], sort, after, **filters)
        own = [await self.rest.get(f"/v1/services/{row['id']}") for row in theirs]
        return [row for row in own if row]


DEFAULT_SORTS = {"services": "code", "slas": "code", "referrals": "submitted_at", "impactReturns": "submitted_at"} | {
    "clusterMemberships": "id"
}


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_written, value))
    return json.dumps(value) if isinstance(value, bool) else str(value)


@dataclass
class Touched:
    """What a query needs of its caller."""

    scopes: set[str] = field(default_factory=set)
    searches: set[str] = field(default_factory=set)
    """The filters by hidden fields that are given a value."""


def touched(query: str, variables: Record) -> Touched:
    """Return what a query touches, whatever comes of it."""
    document = parsed(query)
    fragments = {
        fragment.name.value: fragment
        for fragment in document.definitions
        if isinstance(fragment, FragmentDefinitionNode)
    }
    operation = next(
        definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)
    )
    values = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value
    } | variables
    found, root = Touched(), schema().query_type
    assert root is not None
    _touch(operation.selection_set, root, fragments, values, found)
    return found


def _touch(
    selections: SelectionSetNode,
    kind: GraphQLNamedType,
    fragments: Mapping[str, FragmentDefinitionNode],
    values: Record,
    found: Touched,
) -> None:
    for node in selections.selections:
        if not all(_holds(directive, values) for directive in node.directives or ()):
            continue
        if isinstance(node, FieldNode):
            if node.selection_set is None:
                continue
            inner: Any = get_named_type(kind.fields[node.name.value].type)  # type: ignore[attr-defined]
            if inner.name in SCOPES and node.name.value != "node":
                found.scopes.add(SCOPES[inner.name])
            elif inner.name.endswith("Connection"):
                found.scopes.add(SCOPES[inner.name.removesuffix("Connection")])
            for argument in node.arguments or ():
                if argument.name.value in SEARCHES_BY and value_from_ast_untyped(argument.value, values) not in (
                    None,
                    Undefined,
                ):
                    found.searches.add(argument.name.value)
            _touch(node.selection_set, inner, fragments, values, found)
        elif isinstance(node, FragmentSpreadNode):
            fragment = fragments[node.name.value]
            on = schema().type_map[fragment.type_condition.name.value]
            _touch(fragment.selection_set, on, fragments, values, found)
        else:
            on = schema().type_map[node.type_condition.name.value] if node.type_condition else kind  # type: ignore[attr-defined]
            _touch(node.selection_set, on, fragments, values, found)  # type: ignore[attr-defined]


def _holds(directive: DirectiveNode, values: Record) -> bool:
    condition = directive.arguments[0].value
    if isinstance(condition, VariableNode):
        value = values[condition.name.value]
    else:
        assert isinstance(condition, BooleanValueNode)
        value = condition.value
    return bool(value) == (directive.name.value == "include")
