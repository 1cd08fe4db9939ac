"""How a JSON schema of the contract reads to a person, and a value that fits it. It knows no page."""

from collections.abc import Iterator
from html import escape
from typing import Any

from convenor.pages.markup import text

JsonObject = dict[str, Any]

_PREFIX = "#/components/schemas/"
_BY_FORMAT = {
    "date": "2026-01-20",
    "date-time": "2026-01-20T09:30:00Z",
    "uuid": "0198c0de-0000-7000-8000-000000000001",
}


def resolve(contract: JsonObject, value: JsonObject) -> JsonObject:
    """What a reference points to; anything else as it is."""
    while "$ref" in value:
        target: Any = contract
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def shapes_in(contract: JsonObject, value: Any) -> Iterator[str]:
    """The names of the component schemas that a part of the contract refers to, each once, nearest first."""
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


def kind_of(schema: JsonObject) -> str:
    """A schema in a few words of HTML; shapes are linked to where the page describes them."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_PREFIX)
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(kind_of(choice) for choice in choices)
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    if isinstance(kind, list):
        kind = " or ".join(kind)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict) and extra:
        return f"object of {kind_of(extra)}"
    return escape(str(schema.get("format", kind)) if kind == "string" else kind) + _limits(schema)


def _limits(schema: JsonObject) -> str:
    said = []
    if "maxLength" in schema:
        said.append(f"up to {schema['maxLength']} characters")
    if "minimum" in schema:
        said.append(f"from {schema['minimum']}")
    if "maximum" in schema:
        said.append(f"to {schema['maximum']}")
    return f", {' '.join(said)}" if said else ""


def description_of(contract: JsonObject, schema: JsonObject) -> str:
    """What a field is, as HTML, with its default."""
    said = schema.get("description") or resolve(contract, schema).get("description", "")
    default = schema.get("default")
    if default is not None and default != []:
        said += f" Default: `{str(default).lower() if isinstance(default, bool) else default}`."
    return text(said)


def sample_of(contract: JsonObject, schema: JsonObject) -> Any:
    """A value of a schema, for an example: only what is required."""
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
