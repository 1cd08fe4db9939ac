"""Parse documents, check their limits and validate them.

graphql-core parses, validates and coerces. The limits are checked before validation, because that compares each field
with every other field of the same key at the same place.
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
"""Characters of a document."""
MAX_TOKENS = 5_000
MAX_DEPTH = 25
MAX_FIELDS = 1_000
"""Fields, with every fragment expanded, and also fragments."""
MAX_ALIASES = 100
MAX_REPEATS = 10_000
"""Pairs of fields with the same key at the same place. A field that is repeated a hundred times reaches this limit."""
MAX_OF_SCHEMA = 10
"""Types of the schema that one document queries, or else the complete schema once."""
MAX_ERRORS = 20
"""Reported errors of one document, or of its variables."""
MAX_NAME = 63
"""PostgreSQL truncates longer names, so that two keys of an answer could become equal."""


@dataclass(frozen=True)
class Document:
    """A valid document."""

    node: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: dict[str, FragmentDetails]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation with a name, or the only one.

        Raises:
            QueryInvalid: there is none, or several and no name.
        """
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name not in self.operations or name is None:
            message = "Choose an operation with `operationName`." if name is None else "No such operation."
            raise QueryInvalid([GraphQLError(message)])
        return self.operations[name]


def read_document(schema: GraphQLSchema, text: str) -> Document:
    """Parse and validate a document.

    Raises:
        QueryTooLarge: it is beyond a limit.
        QueryInvalid: it is not GraphQL, or does not match the schema; with every error.
    """
    try:
        node = parse(text, max_lexical_tokens=MAX_TOKENS, max_source_length=MAX_TEXT)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):
            raise QueryTooLarge(error.message.removeprefix("Syntax Error: ")) from error
        raise QueryInvalid([error]) from error
    operations = {
        operation.name.value if operation.name else None: operation
        for operation in node.definitions
        if isinstance(operation, OperationDefinitionNode)
    }
    fragments = {
        fragment.name.value: fragment for fragment in node.definitions if isinstance(fragment, FragmentDefinitionNode)
    }
    _Size(fragments).check(operations.values())
    errors = validate(schema, node, max_errors=MAX_ERRORS)
    if errors:
        raise QueryInvalid(errors)
    return Document(node, operations, {name: FragmentDetails(fragment) for name, fragment in fragments.items()})


def coerce_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> VariableValues:
    """Coerce the values of an operation's variables.

    Raises:
        QueryInvalid: with every invalid value.
    """
    # Limit the errors, because graphql-core walks through the complete value for each.
    definitions = operation.variable_definitions or ()
    values = get_variable_values(schema, definitions, dict(given), max_errors=MAX_ERRORS, hide_suggestions=True)
    if isinstance(values, list):
        raise QueryInvalid(values)
    return values


class _Size:
    """Measure a document with every fragment expanded, and stop at a limit."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.spread: set[str] = set()
        self.fields = self.spreads = self.aliases = self.repeats = self.of_schema = 0

    def check(self, operations: Iterable[OperationDefinitionNode]) -> None:
        """Measure operations, and the fragments that they do not use.

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
                raise QueryTooLarge("An introspection query may use no aliases.")
            self.of_schema += {"__schema": MAX_OF_SCHEMA, "__type": 1}.get(name, 0)
            _limit(self.of_schema, MAX_OF_SCHEMA, "types of the schema; or query `__schema` once")
            self.repeats += len(fields) ** 2 if len(fields) > 1 else 0
            _limit(self.repeats, MAX_REPEATS, "pairs of the same field at the same place; query it once")
            inner = [node.selection_set for node in fields if node.selection_set]
            if inner:
                self._descend(inner, depth + 1, in_schema=in_schema or name in ("__schema", "__type"))

    def _gather(self, selections: SelectionSetNode, by_key: dict[str, list[FieldNode]], within: frozenset[str]) -> None:
        """Add the fields of one place by their keys. Validation reports cycles and unknown fragments."""
        for node in selections.selections:
            if isinstance(node, FieldNode):
                self._count(node)
                by_key.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                self._gather(node.selection_set, by_key, within)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in within:
                _limit(len(within), MAX_DEPTH, "nested fragments")
                self.spreads += 1
                _limit(self.spreads, MAX_FIELDS, "uses of fragments")
                self.spread.add(node.name.value)
                fragment = self.fragments.get(node.name.value)
                if fragment:
                    self._gather(fragment.selection_set, by_key, within | {node.name.value})

    def _count(self, field: FieldNode) -> None:
        for name in (field.alias, field.name):
            if name and len(name.value) > MAX_NAME:
                raise QueryTooLarge(f"A name has {len(name.value)} characters; the most is {MAX_NAME}.")
        self.fields, self.aliases = self.fields + 1, self.aliases + bool(field.alias)
        _limit(self.fields, MAX_FIELDS, "fields, with every fragment expanded")
        _limit(self.aliases, MAX_ALIASES, "aliases")


def _limit(size: int, most: int, what: str) -> None:
    if size > most:
        raise QueryTooLarge(f"The document has more than {most:,} {what}.")
