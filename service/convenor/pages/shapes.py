"""Describe a JSON schema of the contract in words, and make an example that fits it."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from convenor.http.openapi.components import JsonObject

_PREFIX = "#/components/schemas/"
_BY_FORMAT = {
    "date": "2026-01-20",
    "date-time": "2026-01-20T09:30:00Z",
    "uuid": "0198c0de-0000-7000-8000-000000000001",
}


class Part(NamedTuple):
    """A part of a phrase: plain words, a value as code, or the name of a schema to link to."""

    text: str
    style: Literal["plain", "code", "schema"] = "plain"


Phrase = list[Part]


def resolve(contract: JsonObject, value: JsonObject) -> JsonObject:
    """Follow a reference of the contract to what it names; return anything else as it is."""
    while "$ref" in value:
        target: Any = contract
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def schemas_in(contract: JsonObject, value: Any) -> Iterator[str]:
    """Name the component schemas that a part of the contract refers to, each once, nearest first."""
    seen: list[str] = []
    waiting = [value]
    while waiting:
        for name in _names(waiting.pop(0)):
            if name not in seen:
                seen.append(name)
                waiting.append(contract["components"]["schemas"][name])
    yield from seen


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(_PREFIX):
            yield reference.removeprefix(_PREFIX)
        for member in value.values():
            yield from _names(member)
    elif isinstance(value, list):
        for member in value:
            yield from _names(member)


def type_of(schema: JsonObject) -> Phrase:
    """Describe the type of a schema in a few words."""
    if "$ref" in schema:
        return [Part(schema["$ref"].removeprefix(_PREFIX), "schema")]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _joined((type_of(choice) for choice in choices), " or ")
    if "const" in schema:
        return [Part(str(schema["const"]), "code")]
    if "enum" in schema:
        return [Part("one of "), *_joined(([Part(str(value), "code")] for value in schema["enum"]), ", ")]
    kind = schema.get("type", "any value")
    if kind == "array":
        return [Part("list of "), *type_of(schema.get("items", {}))]
    if isinstance(kind, list):
        kind = " or ".join(kind)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict) and extra:
        return [Part("object of "), *type_of(extra)]
    return [Part((str(schema.get("format", kind)) if kind == "string" else kind) + _limits(schema))]


def _joined(phrases: Iterable[Phrase], separator: str) -> Phrase:
    joined: Phrase = []
    for phrase in phrases:
        joined += [Part(separator), *phrase] if joined else phrase
    return joined


def _limits(schema: JsonObject) -> str:
    limits = []
    if "maxLength" in schema:
        limits.append(f"up to {schema['maxLength']} characters")
    if "minimum" in schema:
        limits.append(f"from {schema['minimum']}")
    if "maximum" in schema:
        limits.append(f"to {schema['maximum']}")
    return f", {' '.join(limits)}" if limits else ""


def description_of(contract: JsonObject, schema: JsonObject) -> str:
    """Return the description of a field, with its default."""
    description: str = schema.get("description") or resolve(contract, schema).get("description", "")
    default = schema.get("default")
    if default is not None and default != []:
        description += f" Default: `{str(default).lower() if isinstance(default, bool) else default}`."
    return description


def sample_of(contract: JsonObject, schema: JsonObject) -> Any:
    """Make a value of a schema for an example: only what is required."""
    schema = resolve(contract, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return sample_of(contract, choices[0])
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        fields, required = schema.get("properties", {}), schema.get("required", [])
        shown = [name for name in fields if name in required] or list(fields)[:1]
        return {name: sample_of(contract, fields[name]) for name in shown}
    if kind == "array":
        return [sample_of(contract, schema["items"])]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    return _BY_FORMAT.get(schema.get("format", ""), "...")
