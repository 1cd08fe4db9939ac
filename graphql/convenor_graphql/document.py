"""Documents: read, bounded and validated, once for each text.

Reading, validating and coercing are graphql-core's. What is bounded is bounded before validation, whose effort grows
with the square of a selection.
"""

from collections.abc import Mapping
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
MAX_ALIASES = 100
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
    size = _Size(fragments)
    for operation in operations.values():
        size.check(operation.selection_set)
    errors = validate(schema, node)
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
    values = get_variable_values(schema, operation.variable_definitions or (), dict(given))
    if isinstance(values, list):
        raise QueryInvalid(values)
    return values


class _Size:
    """Measures selections, each fragment once however often it is spread."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.known: dict[str, tuple[int, int, int]] = {}
        self.open: set[str] = set()

    def check(self, selections: SelectionSetNode) -> None:
        """Raises `QueryTooLarge` where an operation is beyond a limit."""
        depth, fields, aliases = self._measure(selections)
        for size, limit, what in (
            (depth, MAX_DEPTH, "levels"),
            (fields, MAX_FIELDS, "fields, with every fragment spread out"),
            (aliases, MAX_ALIASES, "aliases"),
        ):
            if size > limit:
                raise QueryTooLarge(f"The document has {size:,} {what}; the most is {limit:,}.")

    def _measure(self, selections: SelectionSetNode) -> tuple[int, int, int]:
        depth = fields = aliases = 0
        for it in selections.selections:
            inner = (0, 0, 0)
            if isinstance(it, FieldNode):
                for name in (it.alias, it.name):
                    if name and len(name.value) > MAX_NAME:
                        raise QueryTooLarge(f"A name has {len(name.value)} characters; the most is {MAX_NAME}.")
                inner = self._measure(it.selection_set) if it.selection_set else (0, 0, 0)
                inner = (inner[0] + 1, inner[1] + 1, inner[2] + bool(it.alias))
            elif isinstance(it, FragmentSpreadNode):
                inner = self._fragment(it.name.value)
            elif isinstance(it, InlineFragmentNode):
                inner = self._measure(it.selection_set)
            depth, fields, aliases = max(depth, inner[0]), fields + inner[1], aliases + inner[2]
        return depth, fields, aliases

    def _fragment(self, name: str) -> tuple[int, int, int]:
        if name in self.open or name not in self.fragments:
            return 0, 0, 0  # a cycle or nothing: validation names it
        if name not in self.known:
            self.open.add(name)
            self.known[name] = self._measure(self.fragments[name].selection_set)
            self.open.discard(name)
        return self.known[name]
