"""Convert names: `snake_case` in REST is `camelCase` in GraphQL, and a model's name without its ending is a type's."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

_ENDINGS = re.compile(r"(Read|Fields|Create)$")


def camel(name: str) -> str:
    """Convert `submitted_at` to `submittedAt`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def snake(name: str) -> str:
    """Convert `submittedAt` to `submitted_at`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def snake_keys(value: Any) -> Any:
    """Convert the names in an input to the names of REST."""
    if isinstance(value, dict):
        return {snake(name): snake_keys(member) for name, member in value.items()}
    return [snake_keys(member) for member in value] if isinstance(value, list) else value


def camel_pointer(pointer: str) -> str:
    """Convert a JSON pointer into an input to the names of GraphQL."""
    return "/".join(camel(step) for step in pointer.split("/"))


def type_names(models: Iterable[type[BaseModel]], ending: str = "") -> Mapping[type[BaseModel], str]:
    """Choose a type name for each model, with its feature's name as a prefix where two would be equal."""
    distinct = list(dict.fromkeys(models))
    short = {model: _ENDINGS.sub("", model.__name__) + ending for model in distinct}
    times = Counter(short.values())
    return {model: name if times[name] == 1 else _feature(model) + name for model, name in short.items()}


def _feature(model: type[BaseModel]) -> str:
    return camel(f"_{model.__module__.split('.')[1].removesuffix('s')}")


def argument_of(parameter: str) -> str:
    """Return the argument that stands for a path's parameter: `id` for `referral_id`, else its own name."""
    return "id" if parameter.endswith("_id") else parameter
