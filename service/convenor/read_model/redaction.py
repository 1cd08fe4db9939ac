"""Decide which fields a caller does not see or search by, from its clearances and the answer's shape."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from convenor.problems import FieldErrors
from convenor.read_model.annotations import models_at
from convenor.read_model.resource import Part, Resource
from convenor.read_model.selection import Edges, Node, One, Page, Pick, Selection
from convenor.security.principal import FieldSensitivity


def sensitive_paths(declared: Resource | Part, before: str = "") -> Iterator[tuple[str, FieldSensitivity]]:
    """List the sensitive fields at any depth, by dotted path: a record's own, then those of its parts."""
    for path, sensitivity in declared.sensitivity.items():
        yield before + path, sensitivity
    for path, part in declared.parts.items():
        yield from sensitive_paths(part, f"{before}{path}.")


def redacted_paths(
    resource: Resource, clearances: frozenset[FieldSensitivity], wanted: frozenset[str] | None = None
) -> list[str]:
    """List the dotted paths that a caller with these clearances does not see, in the order of their declaration."""
    hidden = [path for path, sensitivity in sensitive_paths(resource) if sensitivity not in clearances]
    return [path for path in hidden if wanted is None or path.split(".")[0] in wanted]


def sensitive_fields(resource: Resource) -> Iterator[tuple[type[BaseModel], str]]:
    """List the fields of a read model, or of the models in it, that some roles do not see."""
    for path, _sensitivity in sensitive_paths(resource):
        *steps, name = path.split(".")
        for holder in models_at(resource.read, steps):
            if name in holder.model_fields:
                yield holder, name


def refuse_search(
    clearances: frozenset[FieldSensitivity], filters: Iterable[tuple[str, FieldSensitivity | None]]
) -> None:
    """Refuse a search by a field that the caller does not see.

    Args:
        clearances: the caller's.
        filters: the pointer of each filter that is used, and the sensitivity of its field.

    Raises:
        Invalid: with each filter that the caller may not use.
    """
    errors = FieldErrors()
    for pointer, sensitivity in filters:
        if sensitivity is not None and sensitivity not in clearances:
            errors.add(pointer, "not_for_role", "Your role may not see this field and cannot search by it.")
    errors.raise_if_any()


def redacted_in(roots: tuple[One | Page, ...], clearances: frozenset[FieldSensitivity]) -> list[str]:
    """List the redacted dotted paths of an answer, by its own keys and without places in lists."""
    found = [path for root in roots for path in _in_link(root, "", clearances)]
    return list(dict.fromkeys(found))


def _in_link(link: One | Page, before: str, clearances: frozenset[FieldSensitivity]) -> Iterator[str]:
    at, hidden = f"{before}{link.key}.", frozenset(redacted_paths(link.resource, clearances))
    if isinstance(link, One):
        yield from _in_record(link.selection, hidden, "", at, clearances)
        return
    for shown in link.shows:
        for node in shown.shows if isinstance(shown, Edges) else ():
            if isinstance(node, Node):
                yield from _in_record(node.selection, hidden, "", f"{at}{shown.key}.{node.key}.", clearances)


def _in_record(
    selection: Selection, hidden: frozenset[str], path: str, at: str, clearances: frozenset[FieldSensitivity]
) -> Iterator[str]:
    """List the redacted paths of a record, or of an object within it at `path`."""
    for item in selection:
        if isinstance(item, One | Page):
            yield from _in_link(item, at, clearances)
        elif isinstance(item, Pick) and path + item.name in hidden:
            yield at + item.key
        elif isinstance(item, Pick):
            for _, inner in item.within:
                yield from _in_record(inner, hidden, f"{path}{item.name}.", f"{at}{item.key}.", clearances)
