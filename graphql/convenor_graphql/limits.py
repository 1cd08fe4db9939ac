"""Documents: read, bounded and validated, once for each text.

Reading, validating and coercing are graphql-core's. What is bounded is bounded before validation, which compares each
field with every other that goes by the same key at the same place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_variable_values,
    parse,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues

from convenor_graphql.problems import QueryInvalid, QueryTooLarge

MAX_TEXT = 100_000
"""In characters, as a document comes."""
MAX_TOKENS = 5_000
MAX_DEPTH = 25
MAX_FIELDS = 1_000
"""With every fragment spread out; and as many fragments."""
MAX_ALIASES = 100
MAX_REPEATS = 10_000
"""Pairs of fields that go by the same key at the same place: one that is asked for a hundred times comes to so many."""
MAX_OF_SCHEMA = 10
"""Types of the schema that one document asks about; or else the whole of it, once."""
MAX_ERRORS = 20
"""Errors of one document, or of its variables, that are told."""
MAX_NAME = 63
"""PostgreSQL cuts longer names, so that two keys of an answer could become one."""


@dataclass(frozen=True)
class Document:
    """A valid document."""

    node: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDetails]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation of a name, or the only one.

        Raises:
            QueryInvalid: there is none, or several and no name.
        """
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name not in self.operations or name is None:
            said = (
                "Say with `operationName` which of the operations is meant." if name is None else "No such operation."
            )
            raise QueryInvalid([GraphQLError(said)])
        return self.operations[name]


def read_document(schema: GraphQLSchema, text: str) -> Document:
    """Reads and validates a document.

    Raises:
        QueryTooLarge: it is beyond a limit.
        QueryInvalid: it is not GraphQL, or does not fit the schema; with every error.
    """
    try:
        node = parse(text, max_lexical_tokens=MAX_TOKENS, max_source_length=MAX_TEXT)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):
            raise QueryTooLarge(error.message.removeprefix("Syntax Error: ")) from error
        raise QueryInvalid([error]) from error
    operations = {
        it.name.value if it.name else None: it for it in node.definitions if isinstance(it, OperationDefinitionNode)
    }
    fragments = {it.name.value: it for it in node.definitions if isinstance(it, FragmentDefinitionNode)}
    _Size(fragments).check(operations.values())
    errors = validate(schema, node, max_errors=MAX_ERRORS)
    if errors:
        raise QueryInvalid(errors)
    return Document(node, operations, {name: FragmentDetails(it) for name, it in fragments.items()})


def coerce_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> VariableValues:
    """The values of an operation's variables.

    Raises:
        QueryInvalid: with every value that does not fit.
    """
    # Each error is found by a walk through the whole value.
    definitions = operation.variable_definitions or ()
    values = get_variable_values(schema, definitions, dict(given), max_errors=MAX_ERRORS, hide_suggestions=True)
    if isinstance(values, list):
        raise QueryInvalid(values)
    return values


class _Size:
    """Measures a document as it is with every fragment spread out, and stops where it is beyond a limit."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.spread: set[str] = set()
        self.fields = self.spreads = self.aliases = self.repeats = self.of_schema = 0

    def check(self, operations: Iterable[OperationDefinitionNode]) -> None:
        """Measures operations, and the fragments that they leave out.

        Raises:
            QueryTooLarge: the document is beyond a limit.
        """
        for operation in operations:
            self._descend([operation.selection_set], 1)
        for name, fragment in self.fragments.items():
            if name not in self.spread:
                self._descend([fragment.selection_set], 1)

    def _descend(self, selections: Iterable[SelectionSetNode], depth: int, *, in_schema: bool = False) -> None:
        _limit(depth, MAX_DEPTH, "levels")
        by_key: dict[str, list[FieldNode]] = {}
        for each in selections:
            self._gather(each, by_key, frozenset())
        for key, fields in by_key.items():
            name = fields[0].name.value
            if in_schema and key != name:
                raise QueryTooLarge("What the schema says of itself is asked for without aliases.")
            self.of_schema += {"__schema": MAX_OF_SCHEMA, "__type": 1}.get(name, 0)
            _limit(self.of_schema, MAX_OF_SCHEMA, "types of the schema in question; or ask for `__schema` once")
            self.repeats += len(fields) ** 2 if len(fields) > 1 else 0
            _limit(self.repeats, MAX_REPEATS, "pairs of the same field at the same place: ask for it once")
            inner = [it.selection_set for it in fields if it.selection_set]
            if inner:
                self._descend(inner, depth + 1, in_schema=in_schema or name in ("__schema", "__type"))

    def _gather(self, selections: SelectionSetNode, by_key: dict[str, list[FieldNode]], within: frozenset[str]) -> None:
        """Adds the fields of one place by their keys. A cycle, or a fragment that is not there, validation names."""
        for it in selections.selections:
            if isinstance(it, FieldNode):
                self._count(it)
                by_key.setdefault((it.alias or it.name).value, []).append(it)
            elif isinstance(it, InlineFragmentNode):
                self._gather(it.selection_set, by_key, within)
            elif isinstance(it, FragmentSpreadNode) and it.name.value not in within:
                _limit(len(within), MAX_DEPTH, "fragments within one another")
                self.spreads += 1
                _limit(self.spreads, MAX_FIELDS, "fragments, each as often as it is spread")
                self.spread.add(it.name.value)
                fragment = self.fragments.get(it.name.value)
                if fragment:
                    self._gather(fragment.selection_set, by_key, within | {it.name.value})

    def _count(self, it: FieldNode) -> None:
        for name in (it.alias, it.name):
            if name and len(name.value) > MAX_NAME:
                raise QueryTooLarge(f"A name has {len(name.value)} characters; the most is {MAX_NAME}.")
        self.fields, self.aliases = self.fields + 1, self.aliases + bool(it.alias)
        _limit(self.fields, MAX_FIELDS, "fields, with every fragment spread out")
        _limit(self.aliases, MAX_ALIASES, "aliases")


def _limit(size: int, most: int, what: str) -> None:
    if size > most:
        raise QueryTooLarge(f"The document has more than {most:,} {what}.")
