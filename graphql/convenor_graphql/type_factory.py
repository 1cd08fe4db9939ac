"""Make object types and inputs from field lists, one class of the schema for each model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from keyword import iskeyword
from operator import or_
from typing import Annotated, Any, Optional, get_args, get_origin

import strawberry
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from convenor.domain_types.inputs import choices_in
from convenor.read_model.annotations import models_in
from convenor_graphql.naming import camel, type_names
from convenor_graphql.scalars import choice, scalar_type

HIDDEN = "Null if your role may not see it; `extensions.redacted` then lists its path."


@dataclass(frozen=True)
class Argument:
    """An argument of a field."""

    name: str
    kind: Any
    description: str
    default: Any = strawberry.UNSET


def define(cls: type, name: str, kind: Any, description: str, arguments: Iterable[Argument] = ()) -> None:
    """Add a field to a class of the schema."""
    attribute = f"{name}_" if iskeyword(name) else name
    field = StrawberryField(python_name=attribute, graphql_name=name, description=description)
    field.arguments = [
        StrawberryArgument(
            argument.name,
            argument.name,
            StrawberryAnnotation(argument.kind),
            description=argument.description,
            default=argument.default,
        )
        for argument in arguments
    ]
    setattr(cls, attribute, field)
    cls.__annotations__[attribute] = kind


def new_type(name: str) -> type:
    """Make a class of the schema without fields, so that others can refer to it."""
    return type(name, (), {"__annotations__": {}})


def summary_of(model: type[BaseModel]) -> str:
    """Return the first line of a model's docstring."""
    return (model.__doc__ or "").strip().split("\n")[0]


def wire_name(info: FieldInfo, name: str) -> str:
    """Return a field's name in GraphQL."""
    return camel(info.alias or name)


class TypeFactory:
    """Make the classes of models, and of the models nested in them.

    Args:
        models: the outermost models.
        sensitive: the fields that some roles do not see.
        ending: the suffix of the names of inputs; empty for object types.
    """

    def __init__(
        self, models: Iterable[type[BaseModel]], sensitive: Iterable[tuple[type[BaseModel], str]] = (), ending: str = ""
    ) -> None:
        self.sensitive, self.ending = frozenset(sensitive), ending
        self.names = type_names(_within(models), ending)
        self.classes = {model: new_type(name) for model, name in self.names.items()}
        self.unions: dict[str, Any] = {}

    def define(self, except_for: Sequence[str] = ()) -> None:
        """Add the fields to every class. Call `finish` after others have added theirs."""
        for model, cls in self.classes.items():
            for name, info in model.model_fields.items():
                if name not in except_for:
                    hidden = (model, name) in self.sensitive
                    kind = self._kind(info.annotation, name, info)
                    optional = hidden or _optional(info.annotation) or (self.ending and not info.is_required())
                    description = f"{info.description} {HIDDEN}" if hidden else info.description or ""
                    define(cls, wire_name(info, name), Optional[kind] if optional else kind, description)  # noqa: UP045

    def finish(self) -> None:
        """Make types of the classes."""
        for model, cls in self.classes.items():
            strawberry.type(cls, name=self.names[model], description=summary_of(model), is_input=bool(self.ending))

    def _kind(self, annotation: Any, name: str, info: FieldInfo) -> Any:
        """Return the type of a field's value, without null."""
        if get_origin(annotation) is Annotated:
            return self._kind(get_args(annotation)[0], name, info)
        models, many = models_in(annotation)
        choices = [choice_ for choice_ in choices_in(annotation) if choice_ is not type(None)]
        if get_origin(choices[0]) is list:
            return list.__class_getitem__(self._kind(get_args(choices[0])[0], name, info))
        if get_origin(choices[0]) is Annotated:
            return self._kind(choices[0], name, info)
        if len(models) > 1 and not many:
            return self._merged(models, name, info) if self.ending else self._union(models, name, info)
        if models:
            return self.classes[models[0]]
        return float if set(choices) == {int, float} else scalar_type(choices[0], name)

    def _union(self, models: list[type[BaseModel]], name: str, info: FieldInfo) -> Any:
        named = camel(f"_{name}")
        if named not in self.unions:
            union: Any = strawberry.union(named, description=info.description)
            members: Any = reduce(or_, (self.classes[model] for model in models))
            self.unions[named] = Annotated[members, union]
        return self.unions[named]

    def _merged(self, models: list[type[BaseModel]], name: str, info: FieldInfo) -> Any:
        """Make one input in place of a union, which inputs cannot be, from the kind and the fields of each."""
        named = camel(f"_{name}")
        if named not in self.unions:
            cls = new_type(named + self.ending)
            kinds = [label for model in models for label in get_args(model.model_fields["kind"].annotation)]
            define(
                cls,
                "kind",
                choice(f"{named}Kind", info.description or "", kinds),
                "The kind, which decides the other fields.",
            )
            for model in models:
                for inner, inner_info in model.model_fields.items():
                    if inner != "kind":
                        kind: Any = Optional[self._kind(inner_info.annotation, inner, inner_info)]  # noqa: UP045
                        define(cls, wire_name(inner_info, inner), kind, inner_info.description or "")
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


def _optional(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _optional(get_args(annotation)[0])
    return type(None) in choices_in(annotation)


def filter_type(annotation: Any, name: str) -> Any:
    """Return the type of a filter's value."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is list:
        return list.__class_getitem__(filter_type(get_args(annotation)[0], name))
    return scalar_type(annotation, name)
