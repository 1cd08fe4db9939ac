"""Texts that stand nowhere else, planted in every free text that a partner may send; and where they are found again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
from support.api_client import Caller
from support.graphql_requests import asked, camelled
from support.referral_steps import load

from convenor_graphql.schema import graphql_api

_CANARY = re.compile(r"Quillcanary\d{4}", re.IGNORECASE)


@dataclass
class Canaries:
    """The canaries of one run.

    Attributes:
        planted: Where each was planted: the operation and the path in its body.
        may_see: The clients, by canary, that may read it. Nobody may read what was refused.
    """

    planted: dict[str, str] = field(default_factory=dict)
    may_see: dict[str, frozenset[str]] = field(default_factory=dict)

    def new(self, place: str, *may_see: str) -> str:
        """Return a new canary."""
        canary = f"Quillcanary{len(self.planted):04}"
        self.planted[canary], self.may_see[canary] = place, frozenset(may_see)
        return canary

    def body(self, operation: str, body: Mapping[str, Any], paths: list[str], *may_see: str) -> dict[str, Any]:
        """Return a body with a canary at each of these paths that it can have."""
        made: Any = _copied(body)
        for path in paths:
            *steps, leaf = path[1:].split("/")
            holder = made
            for step in steps:
                holder = holder.get(step) if isinstance(holder, dict) else None
            if isinstance(holder, dict):
                holder[leaf] = self.new(f"{operation}{path}", *may_see)
        return dict(made)

    def found_in(self, text: str) -> set[str]:
        """Return the canaries that a text holds."""
        return {found.capitalize() for found in _CANARY.findall(text)}

    def wrongly_in(self, text: str, client: str) -> list[str]:
        """Return where the canaries were planted that a client reads and may not see."""
        return sorted(self.planted[each] for each in self.found_in(text) if client not in self.may_see[each])


def _copied(value: Any) -> Any:
    return {name: _copied(member) for name, member in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True)
class ByRest:
    """Writes over REST, and sends many sessions in bulk."""

    async def send(
        self, caller: Caller, method: str, path: str, body: Any, etag: str | None = None, key: str | None = None
    ) -> dict[str, Any] | None:
        """Send a body; return the record, or None where it is refused."""
        answer = (
            await caller.patch(path, body, etag)
            if method == "PATCH" and etag
            else await caller.post(path, body, etag=etag, key=key)
        )
        return answer.json() if answer.status_code in (200, 201) else None

    async def load(self, caller: Caller, line: Any) -> bool:
        """Send a session in bulk; return whether it is stored."""
        answer = await load(caller, [line])
        return '"created"' in answer.text


@dataclass(frozen=True)
class ByGraphQL(ByRest):
    """Writes as mutations; only the bulk load has none."""

    async def send(
        self, caller: Caller, method: str, path: str, body: Any, etag: str | None = None, key: str | None = None
    ) -> dict[str, Any] | None:
        """Send a body as the input of a mutation."""
        name, record = _mutation(method, path)
        declared = graphql_api().types.mutation_type
        assert declared
        given: dict[str, Any] = {"input": camelled(body), "idempotencyKey": key or str(uuid4())}
        if etag:
            given |= {"ifVersion": int(etag.strip('"'))}
        arguments = declared.fields[name].args
        given |= dict.fromkeys(arguments.keys() - {"input", "idempotencyKey", "ifVersion"}, record)
        given = {argument: value for argument, value in given.items() if argument in arguments}
        heads = ", ".join(f"${argument}: {arguments[argument].type}" for argument in given)
        passed = ", ".join(f"{argument}: ${argument}" for argument in given)
        answer = await asked(caller, f"mutation ({heads}) {{ {name}({passed}) {{ __typename }} }}", **given)
        return answer.json() if "errors" not in answer.json() else None


_MUTATIONS = {
    "POST /referrals": "submitReferral",
    "PATCH /referrals/{}": "updateReferral",
    "POST /referrals/{}/transitions": "transitionReferral",
    "POST /referrals/{}/contacts": "addContact",
    "POST /referrals/{}/outcomes": "addOutcome",
    "POST /impact-returns": "submitReturn",
    "POST /pupil-matches/{}/decisions": "decidePupilMatch",
    "POST /handovers": "askHandover",
    "POST /handovers/{}/transitions": "withdrawHandover",
    "POST /handovers/{}/decisions": "decideHandover",
    "PATCH /impact-returns/{}": "updateReturn",
    "POST /impact-returns/{}/transitions": "transitionReturn",
}


def _mutation(method: str, path: str) -> tuple[str, str]:
    """Return the mutation that does what a call over REST does, and the record in the path."""
    parts = path.removeprefix("/v1/").split("/")
    record = parts[1] if len(parts) > 1 else ""
    parts[1:2] = ["{}"] if record else []
    return _MUTATIONS[f"{method} /{'/'.join(parts)}"], record


async def columns_with_canaries(superuser_url: str) -> dict[tuple[str, str], int]:
    """Search every column of every table; return how many rows of each hold a canary."""
    connection = await asyncpg.connect(superuser_url)
    found: dict[tuple[str, str], int] = {}
    try:
        for table, column, kind in await connection.fetch(
            "select c.table_name, c.column_name, c.data_type from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name)"
            " where table_schema = 'public' and t.table_type = 'BASE TABLE'"
        ):
            text = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            rows = await connection.fetchval(f"select count(*) from \"{table}\" where {text} ilike '%quillcanary%'")
            if rows:
                found[table, column] = rows
    finally:
        await connection.close()
    return found
