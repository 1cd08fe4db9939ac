"""Which fields a caller never sees nor searches by: fixed by its role and the answer's shape, whatever the values."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from pydantic import BaseModel

from convenor.kit.errors import Faults
from convenor.kit.principal import Wall
from convenor.kit.reading.annotations import models_in
from convenor.kit.reading.declare import Part, Resource
from convenor.kit.reading.selection import Edges, Node, One, Page, Pick, Selection


def walls_within(said: Resource | Part, before: str = "") -> Iterator[tuple[str, Wall]]:
    """What stands behind a wall, at any depth, by dotted path: a record's own fields, then those of its parts."""
    for path, wall in said.walls.items():
        yield before + path, wall
    for path, part in said.parts.items():
        yield from walls_within(part, f"{before}{path}.")


def redacted_paths(resource: Resource, passed: frozenset[Wall], wanted: frozenset[str] | None = None) -> list[str]:
    """The dotted paths that a caller passing these walls never sees, in the order they are declared."""
    hidden = [path for path, wall in walls_within(resource) if wall not in passed]
    return [path for path in hidden if wanted is None or path.split(".")[0] in wanted]


def walled_fields(resource: Resource) -> Iterator[tuple[type[BaseModel], str]]:
    """The fields of a read model, or of the models in it, that some roles do not see."""
    for path, _wall in walls_within(resource):
        *steps, name = path.split(".")
        for holder in _models_at(resource.read, steps):
            if name in holder.model_fields:
                yield holder, name


def refuse_search(passed: frozenset[Wall], asked: Iterable[tuple[str, Wall | None]]) -> None:
    """Refuses a search by what the caller does not see.

    Args:
        passed: the walls that the caller passes.
        asked: the filters that are used, each by its pointer, and the wall behind which its field stands.

    Raises:
        Invalid: with each filter that is not for the caller.
    """
    faults = Faults()
    for pointer, wall in asked:
        if wall is not None and wall not in passed:
            faults.add(pointer, "not_for_role", "Your role does not see this field and cannot search by it.")
    faults.refuse()


def _models_at(model: type[BaseModel], steps: Sequence[str]) -> list[type[BaseModel]]:
    found = [model]
    for step in steps:
        fields = [holder.model_fields[step] for holder in found if step in holder.model_fields]
        found = list(chain.from_iterable(models_in(field.annotation)[0] for field in fields))
    return found


def redacted_in(roots: tuple[One | Page, ...], passed: frozenset[Wall]) -> list[str]:
    """The dotted paths of an answer, by its own keys and without places in lists, that hold null for that reason."""
    found = [path for root in roots for path in _in_link(root, "", passed)]
    return list(dict.fromkeys(found))


def _in_link(link: One | Page, before: str, passed: frozenset[Wall]) -> Iterator[str]:
    at, hidden = f"{before}{link.key}.", frozenset(redacted_paths(link.resource, passed))
    if isinstance(link, One):
        yield from _in_record(link.selection, hidden, "", at, passed)
        return
    for shown in link.shows:
        for it in shown.shows if isinstance(shown, Edges) else ():
            if isinstance(it, Node):
                yield from _in_record(it.selection, hidden, "", f"{at}{shown.key}.{it.key}.", passed)


def _in_record(
    selection: Selection, hidden: frozenset[str], path: str, at: str, passed: frozenset[Wall]
) -> Iterator[str]:
    """What is hidden of a record, or of an object within it at `path`."""
    for item in selection:
        if isinstance(item, One | Page):
            yield from _in_link(item, at, passed)
        elif isinstance(item, Pick) and path + item.name in hidden:
            yield at + item.key
        elif isinstance(item, Pick):
            for _, inner in item.within:
                yield from _in_record(inner, hidden, f"{path}{item.name}.", f"{at}{item.key}.", passed)
