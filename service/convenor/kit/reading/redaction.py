"""Which fields a caller never sees: fixed by its role and the shape of the answer, whether or not a value exists."""

from collections.abc import Iterator, Sequence
from itertools import chain

from pydantic import BaseModel

from convenor.kit.principal import Wall
from convenor.kit.reading.declare import Part, Resource, models_in
from convenor.kit.reading.selection import Edges, Node, One, Page, Pick, Selection


def redacted_paths(resource: Resource, passed: frozenset[Wall], wanted: frozenset[str] | None = None) -> list[str]:
    """The dotted paths that a caller passing these walls never sees, in the order they are declared."""
    hidden = [path for path, wall in resource.walls.items() if wall not in passed]
    for dotted, part in resource.parts.items():
        hidden += [f"{dotted}.{name}" for name, wall in part.walls.items() if wall not in passed]
    return [path for path in hidden if wanted is None or path.split(".")[0] in wanted]


def walled_fields(said: Resource | Part, model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str, Wall]]:
    """The fields of a read model, or of the models in it, that some roles do not see."""
    for path, wall in said.walls.items():
        *steps, name = path.split(".")
        yield from ((holder, name, wall) for holder in _models_at(model, steps) if name in holder.model_fields)
    for path, part in said.parts.items():
        for holder in _models_at(model, path.split(".")):
            yield from walled_fields(part, holder)


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
    at = f"{before}{link.key}."
    if isinstance(link, One):
        yield from _in_record(link.selection, link.resource, at, passed)
        return
    for shown in link.shows:
        for it in shown.shows if isinstance(shown, Edges) else ():
            if isinstance(it, Node):
                yield from _in_record(it.selection, link.resource, f"{at}{shown.key}.{it.key}.", passed)


def _in_record(selection: Selection, resource: Resource, at: str, passed: frozenset[Wall]) -> Iterator[str]:
    for item in selection:
        if isinstance(item, One | Page):
            yield from _in_link(item, at, passed)
        elif isinstance(item, Pick):
            yield from _in_pick(item, resource, "", at, passed)


def _in_pick(item: Pick, said: Resource | Part, path: str, at: str, passed: frozenset[Wall]) -> Iterator[str]:
    dotted = path + item.name
    wall = said.walls.get(dotted)
    if wall is not None and wall not in passed:
        yield at + item.key
        return
    part = said.parts.get(dotted)
    for _, inner in item.within:
        for it in inner:
            if isinstance(it, Pick):
                yield from _in_pick(it, part or said, "" if part else f"{dotted}.", f"{at}{item.key}.", passed)
