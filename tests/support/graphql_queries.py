"""Queries of every form that the schema allows, drawn out of the schema itself.

Values that only a dataset knows stand as `@Type.field.number@`, cursors as `@cursor.Type.SORT.number@`; `filled` puts
them in. So what is drawn never depends on the ids of a run.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
)
from hypothesis import strategies as st
from support.graphql_reference import SCOPES, Record, cursor_of, order, schema

from convenor.domain_types.dates import today

DEPTH = 4
"""How many links follow one another at most."""

KEYS = ["o", "x", "y", "t", "e1", "n1", "c1", "doc", "ids", "areas", "row_count", "row_at", "load", "seen"]
"""Keys of answers that a statement may know by another meaning; each is given once to a query."""

MOVING = {("Wait", "asAt")}
"""What is another value at each call."""

VALUES: Mapping[str, list[str]] = {
    "asAt": ["2019-01-01", "2024-10-01", "@today@", "2031-01-01"],
    "activeOn": ["2019-01-01", "@today@", "2026-10-01"],
    "cluster": ["1", "2", "3", "nowhere", "@clusters.id.0@", "@clusters.id.3@"],
    "school": ["900001", "900103", "nowhere", "@schools.id.0@", "@schools.id.2@", "@schools.id.6@"],
    "service": ["SLT", "OUTREACH", "nowhere", "@services.id.0@", "@services.id.5@"],
    "sla": ["SLA-OUTREACH", "SLA-SLT", "nowhere", "@slas.id.0@", "@slas.id.4@"],
    "referral": ["nowhere", "@referrals.code.0@", "@referrals.id.5@", "@referrals.code.11@"],
    "provider": ["@providers.id.0@", "@providers.id.1@", "@providers.id.2@", "@providers.id.4@"],
    "urn": ["900001", "900104"],
    "odsCode": ["RW1", "RW2", "RW9"],
    "areaOfNeed": ["C&I", "SEMH", "P&S"],
    "submittedAfter": ["@referrals.submitted_at.2@", "@referrals.submitted_at.9@"],
    "submittedBefore": ["@referrals.submitted_at.4@", "@referrals.submitted_at.11@"],
    "onAfter": ["2024-01-01", "@today@"],
    "onBefore": ["2024-01-01", "2035-01-01"],
    "instrument": ["TOMs", "Boxall", "SDQ"],
    "periodFromAfter": ["2024-03-01", "2024-10-01"],
    "periodFromBefore": ["2024-05-01", "2025-06-01"],
    "upn": ["B801200005001"],
    "nhsNumber": ["9990000018", "9990000026"],
    "integratedCareArea": ["West", "East"],
    "indicator": ["attendance", "absence"],
    "geography": ["England"],
    "period": ["2024/25"],
    "pupil": ["@schools.id.0@"],
    "record": ["@referrals.id.0@", "@slas.id.0@"],
    "client": ["school-999", "trust-998"],
    "action": ["referrals:submit", "contacts:record", "referrals:list"],
    "atAfter": ["2020-01-01T00:00:00Z", "2035-01-01T00:00:00Z"],
    "atBefore": ["@now@"],
}
"""Values of arguments, by name; where the type says enough, it is asked."""

WORDS: Mapping[tuple[str, str], list[Any]] = {
    ("AuditEvent", "status"): [200, 201, 404],
}
"""The same, of one type's list."""

CODES = {"clusters": "code", "schools": "urn", "providers": "ods_code", "services": "code", "slas": "code"} | {
    "referrals": "code",
    "areas": "la_code",
    "pathways": "code",
}


@dataclass(frozen=True)
class Drawn:
    """A query, as it is drawn."""

    query: str
    variables: str
    """JSON."""


@dataclass
class _Writer:
    """Writes one query."""

    dice: Random
    left: int
    """How many more records or lists the query may hold."""
    scopes: frozenset[str]
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=lambda: list(KEYS))
    numbered: int = 0

    def number(self) -> int:
        self.numbered += 1
        return self.numbered

    def one_in(self, times: int) -> bool:
        return self.dice.randrange(times) == 0

    def selections(self, kind: GraphQLObjectType, links: int) -> str:
        """Write a selection set."""
        names = [name for name in kind.fields if self._may(kind, name, links)]
        composite = [name for name in names if _composite(kind.fields[name])]
        leaves = [name for name in names if name not in composite] or ["__typename"]
        drawn = self.dice.choices(leaves, k=self.dice.randint(0, 3))
        while composite and self.left > 0 and not (drawn and self.one_in(2)):
            self.left -= 1
            drawn.append(self.dice.choice(composite))
        self.dice.shuffle(drawn)
        drawn = drawn or leaves[:1]
        parts = [self._part(kind, name, links) for name in drawn]
        if self.one_in(5):
            parts.insert(self.dice.randint(0, len(parts)), self._keyed("__typename"))
        return "{ " + " ".join(parts) + " }"

    def _may(self, kind: GraphQLObjectType, name: str, links: int) -> bool:
        if (kind.name, name) in MOVING:
            return False
        target = _target(kind, name)
        return target is None or (links > 0 and SCOPES[target] in self.scopes)

    def _part(self, kind: GraphQLObjectType, name: str, links: int) -> str:
        written = self._field(kind, name, links) if name != "__typename" else name
        if self.one_in(6):
            written = f"... {'' if self.one_in(2) else f'on {kind.name} '}{self._condition()}{{ {written} }}"
        elif self.one_in(8):
            fragment = f"f{self.number()}"
            self.fragments.append(f"fragment {fragment} on {kind.name} {{ {written} }}")
            written = f"...{fragment} {self._condition()}" + (f" ...{fragment}" if self.one_in(3) else "")
        return written

    def _field(self, kind: GraphQLObjectType, name: str, links: int) -> str:
        field = kind.fields[name]
        given = self._arguments(kind, name, field) if field.args else ""
        key = self._keyed(name) if given or self.one_in(4) else name
        times = 2 if self.one_in(6) else 1
        condition = self._condition()
        # What stands twice under one key is merged.
        return " ".join(f"{key}{given} {condition}{self._within(kind, field, links)}" for _ in range(times))

    def _within(self, kind: GraphQLObjectType, field: GraphQLField, links: int) -> str:
        named = get_named_type(field.type)
        if isinstance(named, GraphQLUnionType):
            members = [member for member in named.types if not self.one_in(4)] or named.types[:1]
            inner = " ".join(f"... on {member.name} {self.selections(member, links)}" for member in members)
            return f"{{ {self._keyed('__typename')} {inner} }}"
        if not isinstance(named, GraphQLObjectType):
            return ""
        follows = named.name.endswith("Connection") or named.name in SCOPES
        from_edge = kind.name.endswith("Edge") or kind.name == "Query"
        return self.selections(named, links - 1 if follows and not from_edge else links)

    def _keyed(self, name: str) -> str:
        if self.keys and self.one_in(2):
            return f"{self.keys.pop(self.dice.randint(0, len(self.keys) - 1))}: {name}"
        return f"k{self.number()}: {name}"

    def _condition(self) -> str:
        if not self.one_in(8):
            return ""
        directive, holds = self.dice.choice(["include", "skip"]), self.dice.random() < 0.5
        if self.one_in(2):
            return f"@{directive}(if: {json.dumps(holds)}) "
        return f"@{directive}(if: {self._variable('Boolean!', holds, None)}) "

    def _arguments(self, kind: GraphQLObjectType, name: str, field: GraphQLField) -> str:
        given = []
        cursors = _CURSORS.get(_target(kind, name) or "")
        if cursors and "after" in field.args and self.one_in(6):
            sorts = schema().type_map[str(get_nullable_type(field.args["sort"].type))]
            assert isinstance(sorts, GraphQLEnumType)
            sort, at = self.dice.choice(list(sorts.values)), self.dice.randint(0, 12)
            given = [f"sort: {sort}", f'after: "@cursor.{cursors}.{sort}.{at}@"']
        for argument, declared in field.args.items():
            required = isinstance(declared.type, GraphQLNonNull) and "first" not in field.args
            always = required or (argument == "atBefore" and name == "auditEvents")
            # Every page says its size, so that what a query costs stays within bounds.
            chance = {"first": 1, "sort": 3}.get(argument, 6)
            if argument == "after" or (argument == "sort" and given) or not (always or self.one_in(chance)):
                continue
            given.append(f"{argument}: {self._value(kind, name, argument, declared)}")
        return f"({', '.join(given)})" if given else ""

    def _value(self, kind: GraphQLObjectType, name: str, argument: str, declared: GraphQLArgument) -> str:
        value, word = self._drawn(kind, name, argument, declared)
        if self.one_in(3):
            absent = argument not in ("first", "id", "urn", "code", "atBefore") and self.one_in(4)
            literal = _unquoted(value) if word else None
            return self._variable(str(declared.type), ... if absent else value, literal, declared)
        return _unquoted(value) if word else json.dumps(value)

    def _drawn(self, kind: GraphQLObjectType, name: str, argument: str, declared: GraphQLArgument) -> tuple[Any, bool]:
        """Return a value, and whether it is written without quotes: a word of an enumeration, or a list of them."""
        named = get_nullable_type(declared.type)
        if isinstance(named, GraphQLList):
            words = get_named_type(named)
            of_enumeration = isinstance(words, GraphQLEnumType)
            choices = list(words.values) if isinstance(words, GraphQLEnumType) else VALUES[argument]
            drawn = self.dice.sample(choices, self.dice.randint(1, 2))
            return drawn if self.one_in(2) else drawn[0], of_enumeration
        target = _target(kind, name) or ""
        if isinstance(named, GraphQLEnumType):
            return self.dice.choice(list(named.values)), True
        if argument == "first":
            return self.dice.choice([1, 2, 3, 5]), False
        if (target, argument) in WORDS:
            return self.dice.choice(WORDS[target, argument]), False
        if str(named) == "Boolean":
            return self.dice.random() < 0.5, False
        if kind.name == "Query" and "first" not in kind.fields[name].args:
            return self.dice.choice(_names(target)), False
        return self.dice.choice(VALUES[argument]), False

    def _variable(self, kind: str, value: Any, word: Any, declared: GraphQLArgument | None = None) -> str:
        """Return a variable of this value; without one where it is `...`."""
        named = f"v{self.number()}"
        default = ""
        if value is not ... and self.one_in(3):
            default = f" = {word if word is not None else json.dumps(value)}"
        if value is not ... and (not default or self.one_in(2)):
            self.variables[named] = value
        if value is ... and declared is not None and kind.endswith("!"):
            kind = kind.removesuffix("!")
        self.declared.append(f"${named}: {kind}{default}")
        return f"${named}"


def _unquoted(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)


def _composite(field: GraphQLField) -> bool:
    return isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLUnionType)


def _target(kind: GraphQLObjectType, name: str) -> str | None:
    """Return the type of the records that a field leads to, where it is a link."""
    named = get_named_type(kind.fields[name].type).name.removesuffix("Connection")
    return named if named in SCOPES and name != "node" else None


_LISTED = {
    "Area": "areas",
    "Cluster": "clusters",
    "School": "schools",
    "Provider": "providers",
    "Service": "services",
    "Membership": "clusterMemberships",
    "Network": "networks",
    "Benchmark": "benchmarks",
    "Sla": "slas",
    "Pathway": "pathways",
    "Referral": "referrals",
    "Contact": "contacts",
    "Outcome": "outcomes",
    "ImpactReturn": "impactReturns",
    "Handover": "handovers",
    "HandoverRequest": "handoverRequests",
    "AuditEvent": "auditEvents",
}


_CURSORS = {kind: listed for kind, listed in _LISTED.items() if kind != "AuditEvent"} | {"ClusterSchool": "schools"}
"""Of which list a cursor is taken. That of audit events takes none: its filter `after` stands in the place of it."""


def _names(kind: str) -> list[str]:
    """Return what a record may be named by: an id, a code, or nothing there is."""
    listed = _LISTED.get(kind, "clusterRoles")
    found = [f"@{listed}.id.{at}@" for at in range(8)]
    if listed in CODES:
        found += [f"@{listed}.{CODES[listed]}.{at}@" for at in range(3)]
    return [*found, "nowhere", "01900000-0000-7000-8000-000000000000"]


def queries(scopes: frozenset[str]) -> st.SearchStrategy[Drawn]:
    """Draw queries of what these scopes open. Smaller sizes, towards which hypothesis shrinks, give smaller ones."""
    return st.builds(partial(_query, scopes), st.integers(1, 30), st.integers(0, 2**32))


def _query(scopes: frozenset[str], size: int, seed: int) -> Drawn:
    writer = _Writer(Random(seed), size, scopes)
    root = schema().query_type
    assert root is not None
    selections = writer.selections(root, DEPTH)
    declared = f"({', '.join(writer.declared)})" if writer.declared else ""
    document = " ".join([f"query{declared} {selections}", *writer.fragments])
    return Drawn(document, json.dumps(writer.variables))


def filled(drawn: str, records: Mapping[str, list[Record]], now: str) -> str:
    """Return a text with the dataset's own values in it."""

    def value(found: re.Match[str]) -> str:
        words = found[1].split(".")
        if words == ["now"]:
            return now
        if words == ["today"]:
            return today().isoformat()
        if words[0] == "cursor":
            _, listed, sort, at = words
            rows = records.get(listed) or []
            return cursor_of(rows[int(at) % len(rows)], order(sort)) if rows else ""
        listed, name, at = words
        rows = [row for row in records.get(listed, []) if row.get(name)]
        return str(rows[int(at) % len(rows)][name]) if rows else "nowhere"

    return re.sub(r"@([\w.]+)@", value, drawn)
