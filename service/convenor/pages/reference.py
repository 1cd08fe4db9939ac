"""Read the contract as its pages show it: sections, operations, schemas. It holds no HTML."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from convenor.http.openapi.components import LINE_SCHEMA, OAUTH, JsonObject
from convenor.pages.shapes import Phrase, description_of, resolve, sample_of, schemas_in, type_of
from convenor_auth.roles import ROLES

_FORM = "application/x-www-form-urlencoded"
_FRESH_KEY = "$(python3 -c 'import uuid; print(uuid.uuid4())')"
_EXPLAINED_ELSEWHERE = {"Problem", "FieldError"}
"""Schemas that the pages about problems explain."""

_TITLES = {"oauth": "OAuth", "slas": "SLAs"}


@dataclass(frozen=True)
class Field:
    """A row of a table of fields or parameters.

    `presence` is the place of a parameter, or whether a field is always present.
    """

    name: str
    type: Phrase
    presence: str
    description: str


@dataclass(frozen=True)
class Body:
    """The body of a request: a schema of the contract, or fields of its own."""

    media: str
    type: Phrase
    description: str
    fields: list[Field]


@dataclass(frozen=True)
class Answer:
    """One answer of an operation: its problems, or what it holds."""

    status: str
    description: str
    codes: list[str]
    types: list[Phrase]
    headers: list[str]


@dataclass(frozen=True)
class Schema:
    """A schema of the contract, with its fields or else its type."""

    name: str
    description: str
    type: Phrase
    fields: list[Field]


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    contract: JsonObject
    method: str
    path: str
    declared: JsonObject

    @property
    def id(self) -> str:
        """Its name in the contract, and its anchor on the page."""
        return str(self.declared["operationId"])

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return str(self.declared["summary"])

    @property
    def description(self) -> str:
        """What it does, in full."""
        return str(self.declared["description"])

    @property
    def needs_token(self) -> bool:
        """Whether a call needs an access token."""
        return bool(self.declared["security"])

    @property
    def scope(self) -> str | None:
        """The scope that the token needs, if any."""
        return next((scope for way in self.declared["security"] for scope in way[OAUTH]), None)

    @property
    def roles(self) -> list[str]:
        """The roles that may have the scope."""
        return [role for role, rule in ROLES.items() if self.scope in rule.scopes]

    @property
    def parameters(self) -> list[Field]:
        """Its parameters and headers."""
        return [
            Field(
                parameter["name"],
                type_of(parameter["schema"]),
                parameter["in"] + (", required" if parameter["required"] else ""),
                description_of(
                    self.contract,
                    {"description": parameter["description"], "default": parameter["schema"].get("default")},
                ),
            )
            for parameter in (resolve(self.contract, each) for each in self.declared["parameters"])
        ]

    @property
    def body(self) -> Body | None:
        """What it takes as its body."""
        if "requestBody" not in self.declared:
            return None
        ((media, content),) = self.declared["requestBody"]["content"].items()
        schema = _schema(content)
        description = self.declared["requestBody"].get("description", "")
        return Body(media, type_of(schema), description, [] if "$ref" in schema else _fields({}, schema))

    @property
    def answers(self) -> list[Answer]:
        """What it answers, by status."""
        return [
            _answer(status, resolve(self.contract, declared)) for status, declared in self.declared["responses"].items()
        ]

    def example(self, address: str) -> str:
        """Write a command that makes the call, with what it requires and no more."""
        return _curl(self.contract, self.method, self.path, self.declared, address)


@dataclass(frozen=True)
class Section:
    """A section of the reference: the operations of one tag."""

    contract: JsonObject
    tag: str
    description: str

    @property
    def title(self) -> str:
        """Its heading."""
        return _TITLES.get(self.tag, self.tag.capitalize())

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/docs/{quote(self.tag.replace(' ', '-'))}"

    @property
    def operations(self) -> list[Operation]:
        """Its operations, in the order of the contract."""
        return [
            Operation(self.contract, method.upper(), path, declared)
            for path, methods in self.contract["paths"].items()
            for method, declared in methods.items()
            if declared["tags"] == [self.tag]
        ]

    @property
    def schemas(self) -> list[Schema]:
        """The schemas that its operations refer to."""
        names = schemas_in(self.contract, [operation.declared for operation in self.operations])
        return [_schema_named(self.contract, name) for name in names if name not in _EXPLAINED_ELSEWHERE]


def sections(contract: JsonObject) -> Iterator[Section]:
    """List the sections in the order of the contract."""
    for tag in contract["tags"]:
        yield Section(contract, tag["name"], tag["description"])


def _schema(content: JsonObject) -> JsonObject:
    """Find the schema of a body, or of each of its lines."""
    schema: JsonObject = content[LINE_SCHEMA if LINE_SCHEMA in content else "schema"]
    return schema


def _answer(status: str, answer: JsonObject) -> Answer:
    codes: list[str] = []
    types: list[Phrase] = []
    for media, content in answer.get("content", {}).items():
        if media == "application/problem+json":
            codes += content["schema"]["allOf"][1]["properties"]["code"]["enum"]
        else:
            types.append(type_of(_schema(content)))
    headers = [name for name in answer.get("headers", {}) if name != "X-Request-ID"]
    return Answer(f"{status} {HTTPStatus(int(status)).phrase}", answer["description"], codes, types, headers)


def _schema_named(contract: JsonObject, name: str) -> Schema:
    schema = contract["components"]["schemas"][name]
    return Schema(
        name,
        schema.get("description", ""),
        [] if "properties" in schema else type_of(schema),
        _fields(contract, schema) if "properties" in schema else [],
    )


def _fields(contract: JsonObject, schema: JsonObject) -> list[Field]:
    required = schema.get("required", [])
    return [
        Field(
            name,
            type_of(field),
            "always" if name in required else "may be absent",
            description_of(contract, field),
        )
        for name, field in schema["properties"].items()
    ]


def _curl(contract: JsonObject, method: str, path: str, operation: JsonObject, address: str) -> str:
    place = path.replace("{", "$").replace("}", "")
    words = [f'curl "{address}{place}"' if method == "GET" else f'curl -X {method} "{address}{place}"']
    if operation["security"]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    for parameter in (resolve(contract, each) for each in operation["parameters"]):
        if parameter["in"] == "header" and parameter["required"]:
            value = _FRESH_KEY if parameter["name"] == "Idempotency-Key" else '\\"1\\"'
            words.append(f'-H "{parameter["name"]}: {value}"')
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == _FORM:
            words.append('-u "$CLIENT_ID:$CLIENT_SECRET"')
            sample = sample_of(contract, _schema(content))
            words += [f"-d {name}={value}" for name, value in sample.items()]
        else:
            words.append(f"-H 'Content-Type: {media}'")
            lines = 2 if media == "application/json" else None
            sample = json.dumps(sample_of(contract, _schema(content)), indent=lines).replace("'", "'\\''")
            words.append(f"{'-d' if lines else '--data-binary'} '{sample}'")
    return " \\\n  ".join(words)
