"""Bodies in which every field has a value that no default has, made from the shape alone."""

from typing import Any

from pydantic import BaseModel


def filled(shape: type[BaseModel], *, variant: int = 0, **given: Any) -> dict[str, Any]:
    """Generate a value for every field of a shape and of the objects in it.

    Args:
        shape: the body.
        variant: 0 or 1, for two bodies that differ in every field that can differ.
        given: the fields whose values a rule compares with other records.
    """
    schema = shape.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    return {
        name: given[name] if name in given else _value(name, property_, definitions, variant)
        for name, property_ in schema["properties"].items()
    }


def _value(name: str, schema: dict[str, Any], definitions: dict[str, Any], variant: int) -> Any:
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return _value(name, choices[0], definitions, variant)
    if "$ref" in schema:
        return _value(name, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, variant)
    if schema["type"] == "object":
        return {key: _value(key, inner, definitions, variant) for key, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [_value(name, schema["items"], definitions, variant)]
    return _text(name, schema, variant) if schema["type"] == "string" else _number(schema, variant)


def _number(schema: dict[str, Any], variant: int) -> float | bool:
    least = {"integer": 2, "number": 2.5}
    return schema.get("minimum", 0) + least[schema["type"]] + variant if schema["type"] in least else variant == 0


def _text(name: str, schema: dict[str, Any], variant: int) -> str:
    if schema.get("format") == "date":
        return f"2025-03-0{3 + variant}"
    if "const" in schema:
        return str(schema["const"])
    # The last of a list, since a default is often its first; of examples the first, which is written as it is stored.
    listed = schema.get("enum", [])[::-1] or schema.get("examples", [])
    return str(listed[variant % len(listed)] if listed else f"{name} {variant}"[: schema.get("maxLength")])


def differences(sent: Any, shown: Any, path: str = "") -> list[str]:
    """Compare what was sent with what is read back, which may hold more; list what differs."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return [line for key, value in sent.items() for line in differences(value, shown.get(key), f"{path}/{key}")]
    if isinstance(sent, list) and isinstance(shown, list) and len(sent) == len(shown):
        return [line for at, value in enumerate(sent) for line in differences(value, shown[at], f"{path}/{at}")]
    return [] if sent == shown else [f"{path}: sent {sent!r}, read {shown!r}"]
