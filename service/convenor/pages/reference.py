"""The reference for people, made from the contract: sections, operations, shapes."""

import json
from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from urllib.parse import quote

from convenor.kit.web.contract_parts import LINE_SCHEMA, OAUTH
from convenor.pages.markup import bullets, prose, table, terminal, text
from convenor.pages.shapes import JsonObject, description_of, kind_of, resolve, sample_of, shapes_in
from convenor_auth.roles import ROLES

_FORM = "application/x-www-form-urlencoded"
_FRESH_KEY = "$(python3 -c 'import uuid; print(uuid.uuid4())')"
_UNSHOWN = {"Problem", "Fault"}
"""Shapes that the pages about problems explain."""

_TITLES = {"oauth": "OAuth", "slas": "SLAs"}


def sections(contract: JsonObject) -> str:
    """Every section with its operations, as HTML."""
    written = []
    for tag in contract["tags"]:
        calls = bullets(
            f'<a href="{path_of(tag["name"])}#{operation["operationId"]}">{escape(operation["summary"])}</a> '
            f"{call(method, path)}"
            for method, path, operation in operations(contract, tag["name"])
        )
        heading = f'<a href="{path_of(tag["name"])}">{escape(title_of(tag["name"]))}</a>'
        written.append(f"<section><h3>{heading}</h3><p>{text(tag['description'])}</p>{calls}</section>")
    return f'<div class="sections">{"".join(written)}</div>'


def section(contract: JsonObject, tag: str, address: str) -> str:
    """One section, as HTML: its operations, then the shapes they speak of."""
    found = list(operations(contract, tag))
    contents = bullets(
        f'<a href="#{operation["operationId"]}">{escape(operation["summary"])}</a> {call(method, path)}'
        for method, path, operation in found
    )
    described = "".join(_operation(contract, method, path, operation, address) for method, path, operation in found)
    named = [name for name in shapes_in(contract, [operation for _, _, operation in found]) if name not in _UNSHOWN]
    shapes = "".join(_shape(contract, name) for name in named)
    return (
        f'<nav aria-label="On this page">{contents}</nav>{described}'
        f'<section><h2 id="shapes">Shapes</h2><p>What is sent and answered here, field by field.</p>{shapes}</section>'
    )


def operations(contract: JsonObject, tag: str) -> Iterator[tuple[str, str, JsonObject]]:
    """The operations of a section: method, path, operation."""
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] == [tag]:
                yield method.upper(), path, operation


def path_of(tag: str) -> str:
    """The page of a section."""
    return f"/docs/{quote(tag.replace(' ', '-'))}"


def title_of(tag: str) -> str:
    """The heading of a section."""
    return _TITLES.get(tag, tag.capitalize())


def call(method: str, path: str) -> str:
    """A method and a path, as HTML."""
    return f'<code class="call"><b class="{method.lower()}">{method}</b> {escape(path)}</code>'


def _operation(contract: JsonObject, method: str, path: str, operation: JsonObject, address: str) -> str:
    parts = [
        f'<section><h2 id="{operation["operationId"]}">{escape(operation["summary"])}</h2>',
        f"<p>{call(method, path)}</p>",
        prose(operation["description"]),
        _scope(operation),
        _parameters(contract, operation),
        _body(operation),
        _answers(contract, operation),
        "<h3>Example</h3>",
        terminal(curl(contract, method, path, operation, address)),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _scope(operation: JsonObject) -> str:
    if not operation["security"]:
        return "<p>No token is asked for.</p>"
    scopes = operation["security"][0][OAUTH]
    if not scopes:
        return "<p>Any token will do; no scope is asked for.</p>"
    holders = ", ".join(f"<code>{role}</code>" for role, rule in ROLES.items() if scopes[0] in rule.scopes)
    return f"<p>Scope: <code>{escape(scopes[0])}</code>. Roles that may have it: {holders}.</p>"


def _parameters(contract: JsonObject, operation: JsonObject) -> str:
    resolved = [resolve(contract, parameter) for parameter in operation["parameters"]]
    rows = [
        (
            f"<code>{escape(it['name'])}</code>",
            it["in"] + (", required" if it["required"] else ""),
            kind_of(it["schema"]),
            description_of(contract, {"default": it["schema"].get("default"), "description": it["description"]}),
        )
        for it in resolved
    ]
    return table("Parameters", ("Name", "Where", "Type", "What it is"), rows) if rows else ""


def _body(operation: JsonObject) -> str:
    if "requestBody" not in operation:
        return ""
    ((media, content),) = operation["requestBody"]["content"].items()
    schema = _schema(content)
    if "$ref" in schema:
        said = f" {text(operation['requestBody'].get('description', ''))}"
        return f"<h3>Body</h3><p><code>{escape(media)}</code>: {kind_of(schema)}.{said}</p>"
    return f"<h3>Body</h3><p><code>{escape(media)}</code></p>" + _fields({}, schema)


def _schema(content: JsonObject) -> JsonObject:
    """The schema of a body, or of each of its lines."""
    schema: JsonObject = content[LINE_SCHEMA if LINE_SCHEMA in content else "schema"]
    return schema


def _answers(contract: JsonObject, operation: JsonObject) -> str:
    rows = []
    for status, given in operation["responses"].items():
        answer = resolve(contract, given)
        headers = ", ".join(f"<code>{name}</code>" for name in answer.get("headers", {}) if name != "X-Request-ID")
        rows.append((f"{status} {HTTPStatus(int(status)).phrase}", _answer(answer), headers))
    return table("Answers", ("Status", "What it says", "Headers"), rows)


def _answer(answer: JsonObject) -> str:
    written = []
    for media, content in answer.get("content", {}).items():
        if media == "application/problem+json":
            codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
            written += [f'<a href="/problems/{code}"><code>{code}</code></a>' for code in codes]
        else:
            written.append(f"{text(answer['description'])} {kind_of(_schema(content))}")
    return ", ".join(written) or text(answer["description"])


def _shape(contract: JsonObject, name: str) -> str:
    schema = contract["components"]["schemas"][name]
    said = prose(schema["description"]) if "description" in schema else ""
    if "properties" not in schema:
        said += f"<p>{kind_of(schema)}</p>"
    fields = _fields(contract, schema) if schema.get("properties") else ""
    return f'<section><h3 id="{escape(name)}">{escape(name)}</h3>{said}{fields}</section>'


def _fields(contract: JsonObject, schema: JsonObject) -> str:
    required = schema.get("required", [])
    rows = [
        (
            f"<code>{escape(name)}</code>",
            kind_of(field),
            "always" if name in required else "may be absent",
            description_of(contract, field),
        )
        for name, field in schema["properties"].items()
    ]
    return table("Fields", ("Name", "Type", "There", "What it is"), rows)


def curl(contract: JsonObject, method: str, path: str, operation: JsonObject, address: str) -> str:
    """A command that makes the call, with what it requires and no more."""
    place = path.replace("{", "$").replace("}", "")
    words = [f'curl "{address}{place}"' if method == "GET" else f'curl -X {method} "{address}{place}"']
    if operation["security"]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    for parameter in (resolve(contract, it) for it in operation["parameters"]):
        if parameter["in"] == "header" and parameter["required"]:
            value = _FRESH_KEY if parameter["name"] == "Idempotency-Key" else '\\"1\\"'
            words.append(f'-H "{parameter["name"]}: {value}"')
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == _FORM:
            words.append('-u "$CLIENT_ID:$CLIENT_SECRET"')
            sample = sample_of(contract, content["schema"])
            words += [f"-d {name}={value}" for name, value in sample.items()]
        else:
            words.append(f"-H 'Content-Type: {media}'")
            lines = 2 if media == "application/json" else None
            sample = json.dumps(sample_of(contract, _schema(content)), indent=lines).replace("'", "'\\''")
            words.append(f"{'-d' if lines else '--data-binary'} '{sample}'")
    return " \\\n  ".join(words)
