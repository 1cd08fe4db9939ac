"""What the planner makes of a statement that the reading machine asks, with its parameters or for any."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

CASES = {"contact", "outcome", "pupil_statement", "referral", "referral_transition", "traced_number"}
"""The tables that grow."""
MOST_SORTED = 1_000
"""Rows that a page, or the pages of several branches together, may be sorted as."""

Node = dict[str, Any]
_numbers = itertools.count()


@dataclass
class Explained:
    """A connection that has each statement explained before it runs, under the application's role without a context."""

    connection: asyncpg.Connection
    generic: bool
    plans: list[Node] = field(default_factory=list)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Explain a statement, run it, and return its first row."""
        self.plans.append(await self._explain(query, args))
        return await self.connection.fetchrow(query, *args)

    async def _explain(self, query: str, args: tuple[Any, ...]) -> Node:
        if not self.generic:
            explained = await self.connection.fetchval(f"explain (verbose, format json) {query}", *args)
        else:
            name = f"asked_{next(_numbers)}"
            await self.connection.execute("set plan_cache_mode = force_generic_plan")
            await self.connection.execute(f"prepare {name} as {query}")
            nulls = f"({', '.join(['null'] * len(args))})" if args else ""
            explained = await self.connection.fetchval(f"explain (verbose, format json) execute {name}{nulls}")
        plan: Node = json.loads(explained)[0]["Plan"]
        return plan


def nodes_of(plan: Node) -> Iterator[Node]:
    """Return every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


def scans_of(plan: Node, table: str) -> set[str]:
    """Return how a table is read: the names of indexes, or the kind of scan where there is none."""
    return {
        node.get("Index Name") or node["Node Type"]
        for node in nodes_of(plan)
        if node.get("Relation Name") == table or (node["Node Type"] == "Bitmap Index Scan" and table in str(node))
    }


def assert_bounded(plan: Node) -> None:
    """Assert that no table that grows is read or sorted as a whole, and that policies read their settings once."""
    read_in = set()
    for node in nodes_of(plan):
        kind = node["Node Type"]
        assert kind != "Seq Scan" or node["Relation Name"] not in CASES, f"{node['Relation Name']} is read as a whole"
        assert kind != "Sort" or node["Plan Rows"] <= MOST_SORTED, f"{node['Plan Rows']} rows are sorted"
        if any("current_setting" in str(value) for name, value in node.items() if name != "Plans"):
            read_in.add(node["Parent Relationship"])
    assert read_in == {"InitPlan"}


@dataclass
class Measured:
    """A connection that measures what each statement reads."""

    connection: asyncpg.Connection
    blocks: int = 0
    """How many blocks of tables and indexes were read so far, from memory or from the disk."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Run a statement, and return none of its rows."""
        explained = await self.connection.fetchval(f"explain (analyze, buffers, format json) {query}", *args)
        plan: Node = json.loads(explained)[0]["Plan"]
        self.blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return []
