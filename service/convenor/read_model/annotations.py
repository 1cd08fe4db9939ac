"""Read the type annotations of read models."""

from collections.abc import Iterable
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from convenor.domain_types.codes import FreeText


def models_in(annotation: Any) -> tuple[list[type[BaseModel]], bool]:
    """Find the pydantic models that an annotation holds, and whether it holds them as a list."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return models_in(get_args(annotation)[0])
    if origin is list:
        return models_in(get_args(annotation)[0])[0], True
    if origin in (Union, UnionType):
        found = [models_in(choice) for choice in get_args(annotation)]
        return [model for models, _ in found for model in models], any(many for _, many in found)
    return ([annotation], False) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ([], False)


def models_at(model: type[BaseModel], steps: Iterable[str]) -> list[type[BaseModel]]:
    """Find the models that the field at a path of names holds; the model itself for no name."""
    holders = [model]
    for step in steps:
        fields = [holder.model_fields[step] for holder in holders if step in holder.model_fields]
        holders = [each for info in fields for each in models_in(info.annotation)[0]]
    return holders


def kinds_of(model: type[BaseModel]) -> tuple[str, ...]:
    """List the values of a variant's discriminator `kind`; none where the model has no such field."""
    info = model.model_fields.get("kind")
    return tuple(map(str, get_args(info.annotation))) if info else ()


def holds_free_text(info: FieldInfo) -> bool:
    """Check whether a field, or a field of the models that it holds, is free text."""
    models, _ = models_in(info.annotation)
    within = any(holds_free_text(inner) for model in models for inner in model.model_fields.values())
    return within or FreeText in info.metadata or _is_marked(info.annotation)


def _is_marked(annotation: Any) -> bool:
    return FreeText in getattr(annotation, "__metadata__", ()) or any(map(_is_marked, get_args(annotation)))


def is_timestamp(annotation: Any) -> bool:
    """Check whether an annotation is a timestamp, required or not."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(is_timestamp(choice) for choice in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, datetime)
