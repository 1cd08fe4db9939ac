"""Object types and inputs out of field lists: one class of the schema for each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from keyword import iskeyword
from operator import or_
from types import UnionType
from typing import Annotated, Any, Optional, Union, get_args, get_origin

import strawberry
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from convenor.read_model.annotations import models_in
from convenor_graphql.naming import camel, type_names
from convenor_graphql.scalars import choice, leaf

HIDDEN = "Null where your role does not see it; `extensions.redacted` then names its path."


@dataclass(frozen=True)
class Argument:
    """An argument of a field."""

    name: str
    kind: Any
    description: str
    default: Any = strawberry.UNSET


def define(cls: type, name: str, kind: Any, description: str, arguments: Iterable[Argument] = ()) -> None:
    """Gives a class of the schema one field."""
    attribute = f"{name}_" if iskeyword(name) else name
    field = StrawberryField(python_name=attribute, graphql_name=name, description=description)
    field.arguments = [
        StrawberryArgument(
            it.name, it.name, StrawberryAnnotation(it.kind), description=it.description, default=it.default
        )
        for it in arguments
    ]
    setattr(cls, attribute, field)
    cls.__annotations__[attribute] = kind


def blank(name: str) -> type:
    """A class of the schema without a field yet, so that others can refer to it."""
    return type(name, (), {"__annotations__": {}})


def said(model: type[BaseModel]) -> str:
    """What a model is, in a sentence."""
    return (model.__doc__ or "").strip().split("\n")[0]


def wire_name(info: FieldInfo, name: str) -> str:
    """A field's name in GraphQL."""
    return camel(info.alias or name)


class TypeFactory:
    """The classes of some models, and of the models in them.

    Args:
        models: the outermost.
        walled: the fields that some roles do not see.
        ending: what names of inputs end with; empty for object types.
    """

    def __init__(
        self, models: Iterable[type[BaseModel]], walled: Iterable[tuple[type[BaseModel], str]] = (), ending: str = ""
    ) -> None:
        self.walled, self.ending = frozenset(walled), ending
        self.names = type_names(_within(models), ending)
        self.classes = {model: blank(name) for model, name in self.names.items()}
        self.unions: dict[str, Any] = {}

    def define(self, except_for: Sequence[str] = ()) -> None:
        """Gives every class its fields; finish it with `finish`, once others have added theirs."""
        for model, cls in self.classes.items():
            for name, info in model.model_fields.items():
                if name not in except_for:
                    hidden = (model, name) in self.walled
                    kind = self._kind(info.annotation, name, info)
                    optional = hidden or _optional(info.annotation) or (self.ending and not info.is_required())
                    description = f"{info.description} {HIDDEN}" if hidden else info.description or ""
                    define(cls, wire_name(info, name), Optional[kind] if optional else kind, description)  # noqa: UP045

    def finish(self) -> None:
        """Makes types of the classes."""
        for model, cls in self.classes.items():
            strawberry.type(cls, name=self.names[model], description=said(model), is_input=bool(self.ending))

    def _kind(self, annotation: Any, name: str, info: FieldInfo) -> Any:
        """The type of a field's value where there is one."""
        if get_origin(annotation) is Annotated:
            return self._kind(get_args(annotation)[0], name, info)
        models, many = models_in(annotation)
        choices = [it for it in _choices(annotation) if it is not type(None)]
        if get_origin(choices[0]) is list:
            return list.__class_getitem__(self._kind(get_args(choices[0])[0], name, info))
        if get_origin(choices[0]) is Annotated:
            return self._kind(choices[0], name, info)
        if len(models) > 1 and not many:
            return self._merged(models, name, info) if self.ending else self._union(models, name, info)
        if models:
            return self.classes[models[0]]
        return float if set(choices) == {int, float} else leaf(choices[0], name)

    def _union(self, models: list[type[BaseModel]], name: str, info: FieldInfo) -> Any:
        named = camel(f"_{name}")
        if named not in self.unions:
            union: Any = strawberry.union(named, description=info.description)
            members: Any = reduce(or_, (self.classes[model] for model in models))
            self.unions[named] = Annotated[members, union]
        return self.unions[named]

    def _merged(self, models: list[type[BaseModel]], name: str, info: FieldInfo) -> Any:
        """One input in the place of a union, which inputs cannot be: its kind, and what each kind has of its own."""
        named = camel(f"_{name}")
        if named not in self.unions:
            cls = blank(named + self.ending)
            kinds = [label for model in models for label in get_args(model.model_fields["kind"].annotation)]
            define(cls, "kind", choice(f"{named}Kind", info.description or "", kinds), "Which of them it is.")
            for model in models:
                for inner, its in model.model_fields.items():
                    if inner != "kind":
                        kind = self._kind(its.annotation, inner, its)
                        define(cls, wire_name(its, inner), Optional[kind], its.description or "")  # noqa: UP045
            self.unions[named] = strawberry.type(
                cls, name=named + self.ending, description=info.description, is_input=True
            )
        return self.unions[named]


def _within(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found[model] = None
            for info in model.model_fields.values():
                waiting += models_in(info.annotation)[0]
    return list(found)


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _optional(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _optional(get_args(annotation)[0])
    return type(None) in _choices(annotation)


def filter_kinds(annotation: Any, name: str) -> Any:
    """The type of a filter's value."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return leaf(annotation, name)
